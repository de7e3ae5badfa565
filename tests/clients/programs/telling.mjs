// What the programs share: where they ask, what they work on, and how they tell what they found.

import { z } from "zod";

export const URL = process.argv[2];
export const KEY = "sk-test";

export const QUESTION = "What is the weather in Paris and Rome?";
export const ADA = "Ada is 36 years old.";
export const BOTH = "Ada is 36 years old, and Alan is 41.";

export const Person = z.object({ name: z.string(), age: z.number().int() });
export const People = z.object({ people: z.array(Person) });
export const City = z.object({ city: z.string() });

export const weather = ({ city }) => ({ city, celsius: { Paris: 18, Rome: 21, Oslo: 7 }[city] });

export async function all(events) {
  const seen = [];
  for await (const event of events) seen.push(event);
  return seen;
}

/** Prints what each check finds, by its name; of one that fails, how. */
export async function told(...checks) {
  const found = {};
  for (const check of checks) {
    try {
      found[check.name] = await check();
    } catch (error) {
      found[check.name] = String(error?.stack ?? error);
    }
  }
  console.log(JSON.stringify(found));
}
