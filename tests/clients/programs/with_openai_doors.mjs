// The official SDK for Node, asked for what it is used for in every dialect but chat.

import OpenAI, { AzureOpenAI } from "openai";
import { zodResponseFormat, zodResponsesFunction, zodTextFormat } from "openai/helpers/zod";
import { ADA, BOTH, City, KEY, People, Person, QUESTION, URL, all, told, weather } from "./telling.mjs";

const client = new OpenAI({ baseURL: URL, apiKey: KEY, maxRetries: 0 });
const { responses } = client;
const input = (text, more) => ({ model: "prompt", input: text, ...more });
const CALLED = zodResponsesFunction({ name: "get_weather", parameters: City });
const said = { instructions: "Be short.", metadata: { of: "tests" } };

async function response() {
  const { output_text, status, usage, metadata } = await responses.create(input("Good morning!", said));
  return { text: output_text, status, used: usage.total_tokens > 0, metadata };
}

async function response_streamed() {
  const events = await all(await responses.create(input("Good morning!", { stream: true })));
  const gapless = events.every((event, place) => event.sequence_number === place);
  const pieces = events.filter(({ type }) => type === "response.output_text.delta").map(({ delta }) => delta);
  const of = (type) => events.find((event) => event.type === type);
  const { text } = of("response.output_text.done");
  const last = events.at(-1).response.output[0].content[0].text;
  return { texts: [pieces.join(""), text, last], pieces: pieces.length, gapless, last: events.at(-1).type };
}

const results = (output) =>
  output
    .filter(({ type }) => type === "function_call")
    .map(({ call_id, arguments: given }) => ({
      type: "function_call_output",
      call_id,
      output: JSON.stringify(weather(JSON.parse(given))),
    }));

async function response_tools() {
  const first = await responses.parse(input(QUESTION, { tools: [CALLED] }));
  const calls = first.output.map(({ name, parsed_arguments }) => [name, parsed_arguments]);
  const again = [{ role: "user", content: QUESTION }, ...first.output, ...results(first.output)];
  const echoed = await responses.create(input(again, { tools: [CALLED] }));
  const kept = { tools: [CALLED], previous_response_id: first.id };
  const linked = await responses.create(input(results(first.output), kept));
  const stream = responses.stream(input(results(first.output), kept));
  const streamed = await stream.finalResponse();
  return { calls, texts: [echoed, linked, streamed].map(({ output_text }) => output_text) };
}

async function response_parsed() {
  const form = { text: { format: zodTextFormat(People, "people") } };
  const whole = await responses.parse(input(BOTH, form));
  const streamed = await responses.stream(input(BOTH, form)).finalResponse();
  return [whole.output_parsed, streamed.output_parsed];
}

async function response_kept() {
  const { id } = await responses.create(input("Good morning!"));
  const items = await all(responses.inputItems.list(id));
  const { output_text } = await responses.retrieve(id);
  await responses.delete(id);
  const gone = await responses.retrieve(id).catch((error) => error);
  return { items: items.map((item) => item.content[0].text), text: output_text, gone: gone.status };
}

async function embedded() {
  const texts = { model: "vectors", input: ["A cat sleeps.", "Shares fell."] };
  const plain = await client.embeddings.create({ ...texts, encoding_format: "float" });
  const packed = await client.embeddings.create(texts);
  return [plain, packed].map(({ data }) => data.map(({ embedding }) => embedding));
}

async function completed() {
  const whole = await client.completions.create({ model: "prompt", prompt: "Good morning!" });
  const chunks = await all(await client.completions.create({ model: "prompt", prompt: "Good morning!", stream: true }));
  return [whole.choices[0].text, chunks.map(({ choices }) => choices[0]?.text ?? "").join("")];
}

async function azure() {
  const endpoint = URL.replace("/v1", "");
  const own = { apiVersion: "2024-10-21", deployment: "chatty", maxRetries: 0 };
  const { completions } = new AzureOpenAI({ endpoint, apiKey: KEY, ...own }).chat;
  const form = { response_format: zodResponseFormat(Person, "person") };
  const completion = await completions.parse({ model: "", messages: [{ role: "user", content: ADA }], ...form });
  const messages = [{ role: "user", content: "Good morning!" }];
  const chunks = await all(await completions.create({ model: "", messages, stream: true }));
  const text = chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join("");
  return { parsed: completion.choices[0].message.parsed, model: completion.model, text };
}

await told(
  response,
  response_streamed,
  response_tools,
  response_parsed,
  response_kept,
  embedded,
  completed,
  azure,
);
