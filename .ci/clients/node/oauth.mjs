// A real authorization server (oidc-provider) and the official SDK, 2.x: the client is refused, finds the issuer by the
// metadata, gets a token for this resource by client_credentials, and uses the server with it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { Client, ClientCredentialsProvider, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import Provider from "oidc-provider";
import { use } from "./use.mjs";

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

const [issuer, resource] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}/mcp`];
const secret = "a-secret-for-this-run-alone";
const algorithms = ["RS256", "PS256", "ES256", "EdDSA"];
const keys = await Promise.all(
  [
    [{ name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" }],
    [{ name: "ECDSA", namedCurve: "P-256" }],
    [{ name: "Ed25519" }],
  ].map(async ([algorithm], at) => {
    const { privateKey } = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const { alg, key_ops, ext, ...jwk } = await crypto.subtle.exportKey("jwk", privateKey);
    return { ...jwk, kid: `key-${at}`, use: "sig" };
  }),
);
const provider = new Provider(issuer, {
  jwks: { keys },
  clients: algorithms.map((algorithm) => ({
    client_id: `ci-${algorithm}`,
    client_secret: secret,
    grant_types: ["client_credentials"],
    response_types: [],
    redirect_uris: [],
    scope: "ask pictures usage",
  })),
  scopes: ["ask", "pictures", "usage"],
  enabledJWA: { idTokenSigningAlgValues: algorithms },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, indicator, { clientId }) => ({
        scope: "ask pictures usage",
        audience: indicator,
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: clientId.split("-")[1] } },
      }),
    },
  },
});
const listening = provider.listen(new URL(issuer).port, "127.0.0.1");
await once(listening, "listening");

const server = spawn(
  process.env.MCP_OPENAI_BINARY,
  ["--sandbox", "http", "--bind", new URL(resource).host],
  {
    env: { ...process.env, MCP_OPENAI_HTTP_OAUTH_ISSUER: issuer, MCP_OPENAI_HTTP_OAUTH_RESOURCE: resource },
    stdio: ["ignore", "ignore", "inherit"],
  },
);
try {
  for (let tries = 0; !(await fetch(new URL("/readyz", resource)).catch(() => {})); tries++) {
    assert.ok(tries < 100 && server.exitCode === null, "the server is not ready after 10 s");
    await new Promise((passed) => setTimeout(passed, 100));
  }
  const connected = async (authProvider) => {
    const client = new Client({ name: "oauth", version: "1" });
    await client.connect(new StreamableHTTPClientTransport(new URL(resource), { authProvider }));
    return client;
  };
  for (const algorithm of algorithms) {
    const clientId = `ci-${algorithm}`;
    const found = new ClientCredentialsProvider({ clientId, clientSecret: secret, expectedIssuer: issuer });
    const client = await connected(found);
    if (algorithm === "RS256") await use(client);
    else assert.equal((await client.listTools()).tools.length, 5);
    await client.close();
  }
  // A token for less than the challenge asks for.
  const granted = await fetch(new URL("/token", issuer), {
    method: "POST",
    headers: { authorization: `Basic ${btoa(`ci-RS256:${secret}`)}` },
    body: new URLSearchParams({ grant_type: "client_credentials", scope: "usage", resource }),
  });
  const { access_token } = await granted.json();
  const little = await connected({ token: async () => access_token });
  await assert.rejects(little.callTool({ name: "ask-openai", arguments: { query: "Hi" } }), { requiredScope: "ask" });
  await little.close();
} finally {
  server.kill();
  listening.close();
}
