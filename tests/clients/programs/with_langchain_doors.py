"""LangChain's models of every dialect, asked for what they are used for."""

import json
from typing import Any

from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langchain_openai import AzureChatOpenAI, AzureOpenAIEmbeddings, ChatOpenAI, OpenAI, OpenAIEmbeddings
from telling import ADA, KEY, QUESTION, URL, Person, each, told, weather

ROOT = URL.removesuffix("/v1")
AZURE: dict[str, Any] = {"azure_endpoint": ROOT, "api_version": "2024-10-21", "api_key": KEY, "max_retries": 0}
PLAIN: dict[str, Any] = {"base_url": URL, "api_key": KEY, "max_retries": 0}
MODELS: dict[str, Any] = {
    "responses": ChatOpenAI(model="prompt", use_responses_api=True, **PLAIN),
    "azure": AzureChatOpenAI(azure_deployment="prompt", **AZURE),
    "anthropic": ChatAnthropic(model_name="prompt", base_url=ROOT, api_key=KEY, max_retries=0),
}
UNCOUNTED: dict[str, Any] = {"check_embedding_ctx_length": False}  # or it counts by a file that it fetches
EMBEDDINGS: dict[str, Any] = {
    "openai": OpenAIEmbeddings(model="vectors", **PLAIN, **UNCOUNTED),
    "azure": AzureOpenAIEmbeddings(azure_deployment="vectors", **AZURE, **UNCOUNTED),
}


@tool
def get_weather(city: str) -> str:
    """How warm it is."""
    return json.dumps(weather(city))


def whole() -> Any:
    return each(MODELS, _whole)


def _whole(model: Any) -> Any:
    message = model.invoke("Good morning!")
    return {"text": message.text, "used": message.usage_metadata["total_tokens"] > 0}


def streamed() -> Any:
    return each(MODELS, _streamed)


def _streamed(model: Any) -> Any:
    pieces = [piece.text for piece in model.stream("Good morning!")]
    return {"text": "".join(pieces), "pieces": len([piece for piece in pieces if piece])}


def calls_streamed() -> Any:
    return each(MODELS, _calls_streamed)


def _calls_streamed(model: Any) -> Any:
    pieces = list(model.bind_tools([get_weather]).stream(QUESTION))
    return [(call["name"], call["args"]) for call in sum(pieces[1:], pieces[0]).tool_calls]


def agent() -> Any:
    return each(MODELS, _agent)


def _agent(model: Any) -> Any:
    agent = create_agent(model, [get_weather], system_prompt="You tell people how warm it is.")
    messages = agent.invoke({"messages": [HumanMessage(QUESTION)]})["messages"]
    calls = [call for message in messages if isinstance(message, AIMessage) for call in message.tool_calls]
    return {"text": messages[-1].text, "calls": [(call["name"], call["args"]) for call in calls]}


def structured() -> Any:
    return each(MODELS, _structured)


def _structured(model: Any) -> Any:
    return {
        method: model.with_structured_output(Person, method=method).invoke(ADA).model_dump()
        for method in ("function_calling", "json_schema")
    }


def embedded() -> Any:
    return each(EMBEDDINGS, _embedded)


def _embedded(model: Any) -> Any:
    return [model.embed_query("A cat sleeps."), *model.embed_documents(["A cat sleeps.", "Shares fell."])]


def completed() -> Any:
    model = OpenAI(model="prompt", **PLAIN)
    return [model.invoke("Good morning!"), "".join(model.stream("Good morning!"))]


told(whole, streamed, calls_streamed, agent, structured, embedded, completed)
