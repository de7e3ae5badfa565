// Vercel's AI SDK, asked for what it is used for in each dialect that it speaks.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { Output, embedMany, generateText, stepCountIs, streamText, tool } from "ai";
import { ADA, City, KEY, Person, QUESTION, URL, all, told, weather } from "./telling.mjs";

const openai = createOpenAI({ baseURL: URL, apiKey: KEY });
const compatible = createOpenAICompatible({ name: "dragoman", baseURL: URL, apiKey: KEY, supportsStructuredOutputs: true });
const anthropic = createAnthropic({ baseURL: URL, apiKey: KEY });

const DIALECTS = { chat: openai.chat, responses: openai.responses, compatible, anthropic };
const TOOLS = { get_weather: tool({ description: "How warm it is.", inputSchema: City, execute: weather }) };
const once = { maxRetries: 0 };

/** What a check finds in each dialect. */
async function each(check, asked = "prompt") {
  const by = {};
  for (const [name, model] of Object.entries(DIALECTS)) {
    try {
      by[name] = await check(model(asked));
    } catch (error) {
      by[name] = String(error?.stack ?? error);
    }
  }
  return by;
}

const whole = () =>
  each(async (model) => {
    const { text, finishReason, usage } = await generateText({ model, prompt: "Good morning!", ...once });
    return { text, finishReason, used: usage.totalTokens > 0 };
  });

const streamed = () =>
  each(async (model) => {
    const stream = streamText({ model, prompt: "Good morning!", ...once });
    const pieces = await all(stream.textStream);
    return { text: pieces.join(""), pieces: pieces.length, finishReason: await stream.finishReason };
  });

const called = (steps) => steps.flatMap((step) => step.toolCalls.map((call) => [call.toolName, call.input]));

const tools = () =>
  each(async (model) => {
    const asked = { model, prompt: QUESTION, tools: TOOLS, stopWhen: stepCountIs(5), ...once };
    const { text, steps } = await generateText(asked);
    const stream = streamText(asked);
    return [
      { text, calls: called(steps) },
      { text: (await all(stream.textStream)).join(""), calls: called(await stream.steps) },
    ];
  });

const chosen = () =>
  each(async (model) => {
    const asked = { model, prompt: "Good morning!", tools: TOOLS, toolChoice: "required", ...once };
    return called((await generateText(asked)).steps);
  });

const structured = () =>
  each(async (model) => {
    const asked = { model, prompt: ADA, output: Output.object({ schema: Person }), ...once };
    const stream = streamText(asked);
    const seen = await all(stream.partialOutputStream);
    return { whole: (await generateText(asked)).output, streamed: await stream.output, seen: seen.length };
  });

const refused = () =>
  each(async (model) => {
    const error = await generateText({ model, prompt: ADA, ...once }).catch((error) => error);
    return { kind: error.name, status: error.statusCode, message: error.message };
  }, "none");

async function embedded() {
  const values = ["A cat sleeps.", "Shares fell."];
  const { embeddings } = await embedMany({ model: openai.textEmbeddingModel("vectors"), values });
  return embeddings;
}

await told(whole, streamed, tools, chosen, structured, refused, embedded);
