// Drives OpenAI's Node SDK against the sandbox: `node sdk.mjs BASE_URL`.

import assert from "node:assert/strict";
import zlib from "node:zlib";
import OpenAI, { toFile } from "openai";
import { VERSION } from "openai/version";

const [TEXT, IMAGE] = ["gpt-6.2-sol", "gpt-image-2.6-flare"];
const options = { baseURL: process.argv[2], apiKey: "sk-anything", maxRetries: 0 };
const client = new OpenAI(options);

/** A client whose requests meet a fault of the sandbox. */
const failing = (fault, more = {}) =>
    new OpenAI({ ...options, defaultHeaders: { "x-sandbox-fault": fault }, ...more });

const all = async (iterable) => {
    const items = [];
    for await (const item of iterable) items.push(item);
    return items;
};

/** A small red picture. */
function png(width, height, alpha = 255) {
    const chunk = (kind, data) => {
        const body = Buffer.concat([Buffer.from(kind), data]);
        const frame = Buffer.alloc(8);
        frame.writeUInt32BE(data.length);
        frame.writeUInt32BE(zlib.crc32(body), 4);
        return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
    };
    const header = Buffer.alloc(13);
    header.writeUInt32BE(width);
    header.writeUInt32BE(height, 4);
    header.set([8, 6], 8);
    const row = Buffer.from([0, ...Array(width).fill([255, 0, 0, alpha]).flat()]);
    const rows = zlib.deflateSync(Buffer.concat(Array(height).fill(row)));
    const magic = Buffer.from("89504e470d0a1a0a", "hex");
    return Buffer.concat([magic, chunk("IHDR", header), chunk("IDAT", rows), chunk("IEND", Buffer.alloc(0))]);
}

const file = (data, name) => toFile(data, name, { type: "image/png" });

/** The size of a PNG in base64. */
function size(b64) {
    const data = Buffer.from(b64, "base64");
    assert.equal(data.toString("latin1", 1, 4), "PNG");
    return `${data.readUInt32BE(16)}x${data.readUInt32BE(20)}`;
}

const checks = {
    async models() {
        const ids = (await all(client.models.list())).map((model) => model.id);
        assert(ids.includes(TEXT) && ids.includes(IMAGE));
        assert.equal((await client.models.retrieve(TEXT)).id, TEXT);
    },

    async chat() {
        const messages = [{ role: "user", content: "Why is the sky blue?" }];
        const answer = await client.chat.completions.create({ model: TEXT, messages, n: 2 });
        assert.deepEqual(answer.choices.map((choice) => choice.index), [0, 1]);
        assert(answer.choices[1].message.content);
        assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
    },

    async "chat, streamed"() {
        const messages = [{ role: "user", content: "Why is the sky blue?" }];
        const stream = client.chat.completions.stream({ model: TEXT, messages, stream_options: { include_usage: true } });
        let text = "";
        stream.on("content", (delta) => (text += delta));
        const final = await stream.finalChatCompletion();
        assert.equal(text, final.choices[0].message.content);
        assert(text && final.usage.completion_tokens > 0);
    },

    async response() {
        const answer = await client.responses.create({ model: TEXT, input: "Why is the sky blue?" });
        assert.equal(answer.status, "completed");
        const again = await client.responses.create({
            model: TEXT, input: "And at night?", previous_response_id: answer.id,
        });
        assert.match(again.output_text, /Earlier you asked/);
        assert.equal((await client.responses.retrieve(again.id)).output_text, again.output_text);
        assert((await all(client.responses.inputItems.list(again.id))).some((item) => item.type === "message"));
        await client.responses.delete(again.id);
        await assert.rejects(client.responses.retrieve(again.id), OpenAI.NotFoundError);
        assert((await client.responses.inputTokens.count({ model: TEXT, input: "hello" })).input_tokens > 0);
    },

    async "response, streamed"() {
        const stream = client.responses.stream({ model: TEXT, input: "Why is the sky blue?" });
        const events = await all(stream);
        const deltas = events.filter((event) => event.type === "response.output_text.delta");
        const final = await stream.finalResponse();
        assert(deltas.length > 1);
        assert.equal(deltas.map((event) => event.delta).join(""), final.output_text);
        assert(events.every((event, index) => event.sequence_number === index));
    },

    async "response, in the background"() {
        let answer = await client.responses.create({ model: TEXT, input: "Count to ten.", background: true });
        assert.match(answer.status, /^(queued|in_progress)$/);
        for (let tries = 0; tries < 300 && /^(queued|in_progress)$/.test(answer.status); tries++) {
            await new Promise((resolve) => setTimeout(resolve, 100));
            answer = await client.responses.retrieve(answer.id);
        }
        assert.equal(answer.status, "completed");
        assert(answer.output_text);
    },

    async "response, cancelled"() {
        const { id } = await client.responses.create({ model: TEXT, input: "[slow] Count to ten.", background: true });
        assert.equal((await client.responses.cancel(id)).status, "cancelled");
        assert.equal((await client.responses.retrieve(id)).status, "cancelled");
    },

    async "response, resumed"() {
        const stream = await client.responses.create({ model: TEXT, input: "Count.", background: true, stream: true });
        const seen = [];
        for await (const event of stream) {
            seen.push(event);
            if (event.sequence_number === 4) break;
        }
        const rest = await all(await client.responses.retrieve(seen[0].response.id, { stream: true, starting_after: 4 }));
        assert.equal(rest[0].sequence_number, 5);
        const last = rest.at(-1);
        assert.equal(last.type, "response.completed");
        const deltas = [...seen, ...rest].filter((event) => event.type === "response.output_text.delta");
        const text = last.response.output.find((item) => item.type === "message").content[0].text;
        assert.equal(deltas.map((event) => event.delta).join(""), text);
    },

    async image() {
        const order = { model: IMAGE, prompt: "a boat", size: "1024x1024", quality: "low", n: 2 };
        const answer = await client.images.generate(order);
        assert.deepEqual(answer.data.map((data) => size(data.b64_json)), ["1024x1024", "1024x1024"]);
        assert.deepEqual([answer.size, answer.quality, answer.output_format], ["1024x1024", "low", "png"]);
        assert.equal(answer.usage.total_tokens, answer.usage.input_tokens + answer.usage.output_tokens);
    },

    async "image, streamed"() {
        const order = { model: IMAGE, prompt: "a boat", stream: true, partial_images: 2 };
        const events = await all(await client.images.generate(order));
        const [partial, completed] = ["image_generation.partial_image", "image_generation.completed"];
        assert.deepEqual(events.map((event) => event.type), [partial, partial, completed]);
        assert(events.every((event) => size(event.b64_json) === "1024x1024"));
    },

    async edit() {
        const image = [await file(png(96, 64), "first.png"), await file(png(32, 32), "second.png")];
        const mask = await file(png(96, 64, 0), "mask.png");
        const answer = await client.images.edit({ model: IMAGE, image, mask, prompt: "a hat" });
        assert.equal(size(answer.data[0].b64_json), "1536x1024");
    },

    async "edit, streamed"() {
        const image = await file(png(64, 64), "first.png");
        const order = { model: IMAGE, image, prompt: "a hat", stream: true, partial_images: 1 };
        const events = await all(await client.images.edit(order));
        assert.deepEqual(events.map((event) => event.type), ["image_edit.partial_image", "image_edit.completed"]);
    },

    async errors() {
        const ask = (who, more) => who.responses.create({ model: TEXT, input: "hello", ...more });
        const raised = (promise, kind) => promise.then(() => assert.fail(`no ${kind.name}`), (error) => {
            assert(error instanceof kind, error);
            return error;
        });
        const wrongKey = await raised(ask(new OpenAI({ ...options, apiKey: "sk-invalid" })), OpenAI.AuthenticationError);
        assert.equal(wrongKey.code, "invalid_api_key");
        assert(wrongKey.requestID);
        const limited = await raised(ask(failing("status=429,retry-after=1")), OpenAI.RateLimitError);
        assert.equal(limited.headers.get("retry-after"), "1");
        const bad = await raised(ask(client, { temperature: 9 }), OpenAI.BadRequestError);
        assert.deepEqual([bad.param, bad.type], ["temperature", "invalid_request_error"]);
        const blocked = client.images.generate({ model: IMAGE, prompt: "[blocked]" });
        assert.equal((await raised(blocked, OpenAI.BadRequestError)).code, "moderation_blocked");
        assert.equal((await raised(client.models.retrieve("gpt-none"), OpenAI.NotFoundError)).code, "model_not_found");
        await raised(ask(failing("status=503")), OpenAI.InternalServerError);
        await raised(ask(failing("hangup")), OpenAI.APIConnectionError);
    },

    async "tried again"() {
        const twice = failing("status=500,times=2,retry-after-ms=11", { maxRetries: 2 });
        assert((await twice.responses.create({ model: TEXT, input: "hello" })).output_text);
    },
};

let passed = 0;
for (const [name, check] of Object.entries(checks)) {
    const begun = performance.now();
    const verdict = await check().then(() => (passed++, "ok"), (error) => `FAILED: ${error.stack}`);
    console.log(`${name.padEnd(30)} ${((performance.now() - begun) / 1000).toFixed(1).padStart(5)} s  ${verdict}`);
}
const total = Object.keys(checks).length;
console.log(`openai-node ${VERSION}: ${passed} of ${total} passed`);
process.exit(passed === total ? 0 : 1);
