"""Drives OpenAI's Python SDK against the sandbox: `python sdk.py BASE_URL`.

The SDK validates every answer against its own models, which it does not do by default.
"""

import asyncio
import base64
import io
import struct
import sys
import time
import zlib

import openai
from openai import AsyncOpenAI, OpenAI

TEXT, IMAGE = "gpt-6.2-sol", "gpt-image-2.6-flare"

options = {"base_url": sys.argv[1], "api_key": "sk-anything", "_strict_response_validation": True}
client = OpenAI(**options, max_retries=0)


def failing(fault, **more):
    """A client whose requests meet a fault of the sandbox."""
    return OpenAI(**{**options, "max_retries": 0, "default_headers": {"x-sandbox-fault": fault}, **more})


def raised(kind, call):
    """The error that a call raises, which must be of this kind."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def png(width, height, alpha=255):
    """A small red picture."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes([255, 0, 0, alpha]) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def picture(b64_json, start=b"\x89PNG"):
    """The bytes of a picture, which must begin like this."""
    data = base64.b64decode(b64_json, validate=True)
    assert data.startswith(start), data[:8]
    return data


def size(data):
    return struct.unpack(">II", data[16:24])


def models():
    listed = {model.id: model for model in client.models.list()}
    assert TEXT in listed and IMAGE in listed, sorted(listed)
    assert client.models.retrieve(TEXT) == listed[TEXT]


def chat():
    messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Why is the sky blue?"}]
    answer = client.chat.completions.create(model=TEXT, messages=messages, n=2)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert answer.choices[1].finish_reason == "stop" and answer.choices[1].message.content
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def chat_streamed():
    messages = [{"role": "user", "content": "Why is the sky blue?"}]
    with client.chat.completions.stream(
        model=TEXT, messages=messages, stream_options={"include_usage": True}
    ) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert len(deltas) > 1 and "".join(deltas) == final.choices[0].message.content
    assert final.usage.completion_tokens > 0


def response():
    answer = client.responses.create(model=TEXT, input="Why is the sky blue?", instructions="Be brief.")
    assert answer.status == "completed" and answer.output_text and answer.usage.total_tokens > 0
    again = client.responses.create(model=TEXT, input="And at night?", previous_response_id=answer.id)
    assert "Earlier you asked" in again.output_text, again.output_text
    assert client.responses.retrieve(again.id).output_text == again.output_text
    items = client.responses.input_items.list(again.id)
    assert any(item.type == "message" for item in items)
    client.responses.delete(again.id)
    assert raised(openai.NotFoundError, lambda: client.responses.retrieve(again.id)).status_code == 404
    counted = client.responses.input_tokens.count(model=TEXT, input="Why is the sky blue?")
    assert counted.input_tokens > 0


def response_streamed():
    with client.responses.stream(model=TEXT, input="Why is the sky blue?") as stream:
        events = list(stream)
        final = stream.get_final_response()
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > 1 and "".join(deltas) == final.output_text
    assert [event.sequence_number for event in events] == list(range(len(events)))


def response_in_the_background():
    begun = client.responses.create(model=TEXT, input="Count to ten.", background=True)
    assert begun.status in ("queued", "in_progress"), begun.status
    for _ in range(300):
        answer = client.responses.retrieve(begun.id)
        if answer.status not in ("queued", "in_progress"):
            break
        time.sleep(0.1)
    assert answer.status == "completed" and answer.output_text


def response_cancelled():
    begun = client.responses.create(model=TEXT, input="[slow] Count to ten.", background=True)
    assert client.responses.cancel(begun.id).status == "cancelled"
    assert client.responses.retrieve(begun.id).status == "cancelled"


def response_resumed():
    seen = []
    with client.responses.create(model=TEXT, input="Count to ten.", background=True, stream=True) as stream:
        for event in stream:
            seen.append(event)
            if event.sequence_number == 4:
                break
    rest = list(client.responses.retrieve(seen[0].response.id, stream=True, starting_after=4))
    assert rest[0].sequence_number == 5 and rest[-1].type == "response.completed"
    text = "".join(event.delta for event in seen + rest if event.type == "response.output_text.delta")
    assert text == rest[-1].response.output_text


def response_to_a_schema():
    from pydantic import BaseModel

    class Answer(BaseModel):
        title: str
        points: list[str]

    parsed = client.responses.parse(model=TEXT, input="Why is the sky blue?", text_format=Answer).output_parsed
    assert isinstance(parsed, Answer), parsed


def image():
    answer = client.images.generate(model=IMAGE, prompt="a boat", size="1024x1024", quality="low", complexity="low", n=2)
    assert [size(picture(data.b64_json)) for data in answer.data] == [(1024, 1024)] * 2
    assert (answer.size, answer.quality, answer.output_format, answer.background) == (
        "1024x1024", "low", "png", "opaque",
    )
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    jpeg = client.images.generate(model=IMAGE, prompt="a boat", output_format="jpeg", output_compression=60)
    picture(jpeg.data[0].b64_json, b"\xff\xd8")


def image_streamed():
    events = list(client.images.generate(model=IMAGE, prompt="a boat", stream=True, partial_images=2))
    assert [event.type for event in events] == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert all(picture(event.b64_json) for event in events) and events[-1].usage.output_tokens > 0


def edit():
    first, second = ("first.png", png(64, 64)), ("second.png", png(32, 32))
    answer = client.images.edit(model=IMAGE, image=[first, second], mask=("mask.png", png(64, 64, 0)), prompt="a hat")
    assert size(picture(answer.data[0].b64_json)) == (1024, 1024)
    named = io.BytesIO(png(96, 64))
    named.name = "wide.png"
    answer = client.images.edit(model=IMAGE, image=named, prompt="a hat")
    assert answer.size == "1536x1024", answer.size


def edit_streamed():
    events = list(client.images.edit(
        model=IMAGE, image=("first.png", png(64, 64)), prompt="a hat", stream=True, partial_images=1
    ))
    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]
    picture(events[-1].b64_json)


def errors():
    def ask(who):
        return lambda: who.responses.create(model=TEXT, input="hello")

    wrong_key = raised(openai.AuthenticationError, ask(OpenAI(**{**options, "api_key": "sk-invalid"})))
    assert wrong_key.code == "invalid_api_key" and wrong_key.request_id
    limited = raised(openai.RateLimitError, ask(failing("status=429,retry-after=1")))
    assert limited.response.headers["retry-after"] == "1" and limited.body["message"]
    bad = raised(openai.BadRequestError, lambda: client.responses.create(model=TEXT, input="hello", temperature=9))
    assert bad.param == "temperature" and bad.type == "invalid_request_error", bad.body
    missing = raised(openai.NotFoundError, lambda: client.models.retrieve("gpt-none"))
    assert missing.code == "model_not_found", missing.body
    blocked = raised(openai.BadRequestError, lambda: client.images.generate(model=IMAGE, prompt="[blocked]"))
    assert blocked.code == "moderation_blocked", blocked.body
    raised(openai.InternalServerError, ask(failing("status=503")))
    raised(openai.APIConnectionError, ask(failing("hangup")))
    raised(openai.APIResponseValidationError, ask(failing("html")))


def tried_again():
    """The SDK's own retries: a refusal and a server error, then an answer."""
    answer = failing("status=500,times=2,retry-after-ms=10", max_retries=2).responses.create(model=TEXT, input="hello")
    assert answer.output_text


def asynchronous():
    async def both():
        async with AsyncOpenAI(**options, max_retries=0) as asynchronous:
            answer = await asynchronous.responses.create(model=TEXT, input="hello")
            stream = await asynchronous.chat.completions.create(
                model=TEXT, messages=[{"role": "user", "content": "hello"}], stream=True
            )
            return answer.output_text, "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert all(asyncio.run(both()))


CHECKS = [
    models, chat, chat_streamed, response, response_streamed, response_in_the_background, response_cancelled,
    response_resumed, response_to_a_schema, image, image_streamed, edit, edit_streamed, errors, tried_again,
    asynchronous,
]

failed = 0
for check in CHECKS:
    begun = time.monotonic()
    try:
        check()
        verdict = "ok"
    except Exception as error:
        failed += 1
        verdict = f"FAILED: {type(error).__name__}: {error}"
    print(f"{check.__name__:30} {time.monotonic() - begun:5.1f} s  {verdict}", flush=True)
print(f"openai-python {openai.__version__}: {len(CHECKS) - failed} of {len(CHECKS)} passed")
sys.exit(failed)
