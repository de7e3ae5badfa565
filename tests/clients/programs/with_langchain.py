"""LangChain's chat model and agent, asked for what they are used for."""

import json
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from telling import ADA, KEY, QUESTION, URL, Person, Weather, told, weather


@tool
def get_weather(city: str) -> str:
    """How warm it is."""
    return json.dumps(weather(city))


def model(name: str = "prompt") -> ChatOpenAI:
    return ChatOpenAI(model=name, base_url=URL, api_key=KEY, max_retries=0)


def called(message: AIMessage) -> Any:
    return [(call["name"], call["args"]) for call in message.tool_calls]


def went_on(message: AIMessage) -> list[Any]:
    return [HumanMessage(QUESTION), message, *(get_weather.invoke(call) for call in message.tool_calls)]


def two_steps() -> Any:
    bound = model().bind_tools([get_weather])
    message = bound.invoke(QUESTION)
    last = bound.invoke(went_on(message))
    return {"calls": called(message), "text": last.text, "used": last.usage_metadata is not None}


def two_steps_streamed() -> Any:
    bound = model("chatty").bind_tools([get_weather])
    pieces = list(bound.stream(QUESTION))
    message = sum(pieces[1:], pieces[0])
    parts = [part for piece in pieces for part in piece.tool_call_chunks if part["index"] == 1]
    last = list(bound.stream(went_on(message)))
    return {
        "calls": called(message),
        "text": "".join(piece.text for piece in last),
        "names": [part["name"] for part in parts if part["name"]],
        "arguments": "".join(part["args"] or "" for part in parts),
        "parts": len(parts),
        "pieces": len(last),
    }


def chosen() -> Any:
    one = model().bind_tools([get_weather], tool_choice="get_weather").invoke("Good morning!")
    any_tool = model().bind_tools([get_weather], tool_choice="any").invoke("Good morning!")
    single = model().bind_tools([get_weather], parallel_tool_calls=False).invoke(QUESTION)
    return [called(message) for message in (one, any_tool, single)]


def structured() -> Any:
    by = {}
    for name in ("prompt", "messages", "chatty", "forgetful", "careless"):
        for method in ("json_schema", "function_calling", "json_mode"):
            asked = f"{ADA} Give JSON." if method == "json_mode" else ADA
            if (name, method) != ("careless", "json_mode"):
                answer = model(name).with_structured_output(Person, method=method).invoke(asked)
                by[f"{name} {method}"] = answer.model_dump()
    return by


def structured_stream() -> Any:
    by = {}
    for method in ("json_schema", "function_calling"):
        *_, last = model("chatty").with_structured_output(Person, method=method).stream(ADA)
        by[method] = last.model_dump()
    return by


def agent() -> Any:
    by = {}
    for name in ("prompt", "messages", "chatty", "forgetful", "careless"):
        agent = create_agent(model(name), [get_weather], system_prompt="You tell people how warm it is.")
        messages = agent.invoke({"messages": [HumanMessage(QUESTION)]})["messages"]
        by[name] = [message.text for message in messages if isinstance(message, AIMessage | ToolMessage)][1:]
    return by


def agent_streamed() -> Any:
    agent = create_agent(model(), [get_weather])
    stream = agent.stream({"messages": [HumanMessage(QUESTION)]}, stream_mode="messages")
    pieces = [piece.text for piece, _ in stream if isinstance(piece, AIMessageChunk) and piece.text]
    return {"text": "".join(pieces), "pieces": len(pieces)}


def agent_with_form() -> Any:
    agent = create_agent(model(), [get_weather], response_format=Weather)
    found = agent.invoke({"messages": [HumanMessage("What is the weather in Oslo?")]})
    return found["structured_response"].model_dump()


told(two_steps, two_steps_streamed, chosen, structured, structured_stream, agent, agent_streamed, agent_with_form)
