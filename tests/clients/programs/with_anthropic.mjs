// Anthropic's SDK for Node, asked for what it is used for.

import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { BOTH, City, KEY, People, QUESTION, URL, all, told, weather } from "./telling.mjs";

const client = new Anthropic({ baseURL: URL.replace("/v1", ""), apiKey: KEY, maxRetries: 0 });

const asked = (content, more) => ({ model: "prompt", max_tokens: 1000, messages: [{ role: "user", content }], ...more });
const run = async (city) => JSON.stringify(weather(city));
const TOOL = betaZodTool({ name: "get_weather", description: "How warm it is.", inputSchema: City, run });

async function whole() {
  const { content, role, stop_reason, usage } = await client.messages.create(asked("Good morning!"));
  return { text: content[0].text, role, stop_reason, used: usage.output_tokens > 0 };
}

async function streamed() {
  const stream = client.messages.stream(asked("Good morning!"));
  const pieces = [];
  stream.on("text", (piece) => pieces.push(piece));
  const { stop_reason } = await stream.finalMessage();
  return { text: pieces.join(""), whole: await stream.finalText(), pieces: pieces.length, stop_reason };
}

async function tools() {
  const whole = client.beta.messages.toolRunner(asked(QUESTION, { tools: [TOOL] }));
  const called = (await all(whole)).flatMap(({ content }) => content.filter((block) => block.type === "tool_use"));
  const runner = client.beta.messages.toolRunner(asked(QUESTION, { tools: [TOOL], stream: true }));
  const streamed = [];
  for await (const stream of runner) streamed.push(await stream.finalMessage());
  return {
    calls: called.map(({ name, input }) => [name, input]),
    text: (await whole.done()).content[0].text,
    streamed: streamed.at(-1).content[0].text,
    reasons: streamed.map((message) => message.stop_reason),
  };
}

async function parsed() {
  const message = await client.messages.parse(asked(BOTH, { output_config: { format: zodOutputFormat(People) } }));
  return message.parsed_output;
}

async function counted() {
  const { messages } = asked(QUESTION);
  const [few, more] = [messages, [...messages, ...messages]];
  const count = async (messages) => (await client.messages.countTokens({ model: "prompt", messages })).input_tokens;
  return (await count(few)) < (await count(more));
}

async function refused() {
  const unknown = await client.messages.create(asked("Hello", { model: "none" })).catch((error) => error);
  const wrong = await client.messages.create(asked("Hello", { max_tokens: 0 })).catch((error) => error);
  const tell = ({ constructor, status, type, requestID }) => [constructor.name, status, type, Boolean(requestID)];
  return { unknown: tell(unknown), wrong: tell(wrong) };
}

async function models() {
  const listed = await all(client.models.list());
  return { listed: listed.map(({ id }) => id), one: (await client.models.retrieve("chatty")).type };
}

await told(whole, streamed, tools, parsed, counted, refused, models);
