"""The words that chat APIs have for things, as snake_case."""


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


ANSWER = words(
    "answer reply response completion content text generated_text output_text response_text bot_reply bot_response "
    "bot_message generation"
)
ANSWER_MAYBE = words("message output result outputs delta chunk token value data payload body speech utterance")
ASIDE = words(
    "source sources source_documents documents document citation citations reference references context contexts "
    "metadata meta chunks retriever_resources search_results tool_calls tools steps intermediate_steps input inputs "
    "prompt query question usage config logprobs tokens safety_ratings annotations debug error errors warnings tags "
    "title description snippet summary suggestions suggested_questions follow_ups follow_up_questions "
    "related_questions history chat_history past user request logs options disclaimer instructions url urls"
)
"""What stands beside an answer."""
REASONING = words("reasoning_content reasoning thinking thought thoughts reasoning_text thinking_content")
ALTERNATIVES = words("choices candidates generations alternatives results predictions completions beams")
"""Lists of which the first item is as good as any."""
ASKING = words("user human customer client usermessage user_message question")

REASONS = words(
    "finish_reason stop_reason done_reason end_reason completion_reason finished_reason termination_reason "
    "finish_type stop_type stopping_reason"
)
ENDS = words("done is_finished finished is_end is_final is_done end final stop completed is_last last")
"""What is true at the end."""
NOT_YET = words("null none not_finished in_progress finish_reason_unspecified incomplete")
"""Words for an end that has not come."""
USAGE = {
    "prompt": "prompt_tokens input_tokens prompt_token_count prompt_eval_count input_token_count tokens_in "
    "input_text_token_count tokens_evaluated num_prompt_tokens request_tokens input_count",
    "completion": "completion_tokens output_tokens candidates_token_count eval_count output_token_count tokens_out "
    "generated_token_count generated_tokens tokens_predicted completion_token_count response_token_count "
    "num_completion_tokens answer_tokens response_tokens output_count",
    "total": "total_tokens total_token_count",
    "cached": "cached_tokens cache_read_input_tokens cached_content_token_count prompt_cache_hit_tokens "
    "cache_read_input_token_count",
    "reasoning": "reasoning_tokens thoughts_token_count",
}
"""Token counts, the likeliest words first."""

EVENT_NAMES = ("event", "type", "event_type", "eventType", "kind", "action", "object")
"""Keys under which an event may say its own name."""
LAST = words("end done stop finish finished complete completed close closed eos last")
PIECES = words("delta chunk token partial")
FAILED = words("error failed failure exception")
BROAD = words("data delta value chunk payload content text")
"""Keys under which other events may have something else than text."""

SESSIONS = words(
    "conversation_id session_id chat_id thread_id dialog_id dialogue_id conversation session conv_id "
    "chat_session_id conversation_uuid session_uuid"
)
HISTORIES = words(
    "history chat_history conversation_history past_messages previous_messages message_history chathistory"
)
WHO = {
    **dict.fromkeys(words("user human customer client person me visitor guest usermessage user_message q"), "user"),
    **dict.fromkeys(
        words(
            "assistant ai bot chatbot model agent gpt apimessage api_message aimessage ai_message llm robot machine "
            "bot_message a"
        ),
        "assistant",
    ),
    **dict.fromkeys(
        words("system developer instruction instructions systemmessage system_message"),
        "system",
    ),
}
"""What people call who speaks, in OpenAI's words."""
PARTNERS = {
    "human": "ai",
    "Human": "AI",
    "HUMAN": "AI",
    "USER": "ASSISTANT",
    "User": "Assistant",
    "usermessage": "apimessage",
    "userMessage": "apiMessage",
    "customer": "agent",
}
"""What the assistant is called where the user is called so, if nobody shows it."""

PROMPTS = words(
    "prompt message query question input text q content inputs input_value user_input msg utterance chat_input "
    "input_text user_message user_query user_prompt instruction ask request_text message_text chat_message"
)
PROMPTS_MAYBE = words("payload body value data instances instance user_text search term")
COMPLETIONS = words("prompt inputs input_text user_prompt")
"""Names of a prompt that is to be continued."""
SYSTEMS = words(
    "system system_prompt preamble instructions system_message system_instruction system_instructions persona "
    "systemprompt pre_prompt preset_prompt custom_instructions context_prompt"
)
MODELS = words("model model_id model_name modelid modelname engine deployment deployment_name model_version_id")
PARAMETERS = {
    "temperature": words("temperature temp"),
    "top_p": words("top_p topp nucleus"),
    "max_tokens": words(
        "max_tokens max_output_tokens max_new_tokens num_predict max_tokens_to_sample max_length max_completion_tokens "
        "n_predict max_token_count max_gen_len maxtokens output_tokens max_response_tokens max_generated_tokens "
        "max_decode_steps tokens_to_generate max_new_token"
    ),
    "stop": words("stop"),
    "stops": words("stop_sequences stop_words stop_sequence stopsequences stop_strings stop_tokens"),
    "seed": words("seed random_seed"),
    "presence_penalty": words("presence_penalty"),
    "frequency_penalty": words("frequency_penalty"),
}
"""OpenAI's parameters by what others call them."""
EXTENDED = words("top_k min_p typical_p repetition_penalty repeat_penalty")
"""Parameters that OpenAI does not know, and clients send all the same."""
STREAMS = words("stream streaming is_stream use_stream stream_response streaming_enabled enable_streaming")
STREAM_MODES = {"streaming": "blocking", "stream": "blocking"}
"""Words for a streamed answer, and for a whole one."""
USERS = words("user user_id end_user end_user_id sender sender_id customer_id uid")
FRESH = words(
    "message_id request_id msg_id client_message_id client_msg_id trace_id nonce idempotency_key correlation_id "
    "parent_message_id query_id event_id uuid"
)
"""Ids that each call has its own of."""
TIMES = words("timestamp time sent_at created_at ts client_time date created")

SECRET = words(
    "key token secret password passwd pwd apikey authorization auth credential credentials signature sig jwt "
    "accesskey access_key subscription passphrase bearer"
)
PLAIN = words("max min tokens stop eos bos pad count limit idempotency keyword keywords public_key_id sort")
"""Words by whose company a key or a token is no secret."""
NOISE = words(
    "user_agent referer origin dnt priority connection content_length host cache_control pragma te expect "
    "upgrade_insecure_requests if_none_match if_modified_since transfer_encoding traceparent tracestate sentry_trace "
    "baggage newrelic x_client_data content_encoding keep_alive save_data cookie2 x_datadog_trace_id "
    "x_datadog_parent_id x_datadog_origin x_datadog_sampling_priority"
)
"""Headers that a browser or a shell sends of its own."""
