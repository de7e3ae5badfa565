// The official SDK for Node, asked for what chats are used for.

import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { ADA, BOTH, City, KEY, People, QUESTION, URL, all, told, weather } from "./telling.mjs";

const client = new OpenAI({ baseURL: URL, apiKey: KEY, maxRetries: 0 });
const { completions } = client.chat;

const asked = (text, more) => ({ model: "prompt", messages: [{ role: "user", content: text }], ...more });
const TOOL = zodFunction({ name: "get_weather", parameters: City, function: weather });
const FORM = { response_format: zodResponseFormat(People, "people") };

async function whole() {
  const completion = await completions.create(asked("Good morning!"));
  const [{ message, finish_reason }] = completion.choices;
  return { text: message.content, finish_reason, object: completion.object, requested: Boolean(completion._request_id) };
}

async function streamed() {
  const usage = { stream: true, stream_options: { include_usage: true } };
  const chunks = await all(await completions.create(asked("Good morning!", usage)));
  const pieces = chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta.content ?? ""));
  return { text: pieces.join(""), pieces: pieces.length, used: chunks.at(-1).usage.total_tokens > 0 };
}

async function tools() {
  const by = {};
  for (const stream of [false, true]) {
    const runner = completions.runTools(asked(QUESTION, { tools: [TOOL], stream }));
    const text = await runner.finalContent();
    const calls = runner.messages.flatMap((message) => message.tool_calls ?? []);
    by[stream] = { text, calls: calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]) };
  }
  return by;
}

async function parsed() {
  const by = {};
  for (const model of ["prompt", "messages", "chatty", "forgetful", "careless"]) {
    const completion = await completions.parse(asked(BOTH, { model, ...FORM }));
    by[model] = completion.choices[0].message.parsed;
  }
  return by;
}

async function parsed_while_it_comes() {
  const stream = completions.stream(asked(BOTH, FORM));
  const seen = [];
  stream.on("content.delta", ({ parsed }) => seen.push(parsed));
  const completion = await stream.finalChatCompletion();
  return { parsed: completion.choices[0].message.parsed, seen: seen.length };
}

async function refusals() {
  const unknown = await completions.create(asked(ADA, { model: "none" })).catch((error) => error);
  const wrong = await completions.create(asked(ADA, { temperature: 7 })).catch((error) => error);
  const tell = ({ constructor, status, code, param, type }) => ({ kind: constructor.name, status, code, param, type });
  return { unknown: tell(unknown), wrong: tell(wrong) };
}

async function models() {
  const listed = await all(client.models.list());
  return { listed: listed.map((model) => model.id), one: (await client.models.retrieve("chatty")).id };
}

await told(whole, streamed, tools, parsed, parsed_while_it_comes, refusals, models);
