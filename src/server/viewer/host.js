// The host, as the viewer sees it: JSON-RPC over postMessage (MCP Apps, 2026-01-26). Knows nothing of pictures.

/** `on` has what to do with each message, by its method; for a request it gives the result. */
function connect(on) {
  const waiting = new Map();
  let last = 0;

  // To any origin: a page in a sandbox cannot learn its host's. Nothing sent is secret, and the parent alone is heard.
  const post = (message) => parent.postMessage({ jsonrpc: "2.0", ...message }, "*");

  const answer = (id, method, params) => {
    if (!on[method]) return post({ id, error: { code: -32601, message: `there is no method ${method}` } });
    post({ id, result: on[method](params) ?? {} });
  };

  addEventListener("message", ({ source, data }) => {
    if (source !== parent || data?.jsonrpc !== "2.0") return;
    const { id, method, params = {}, result, error } = data;
    if (method !== undefined) return id === undefined ? on[method]?.(params) : answer(id, method, params);
    const asked = waiting.get(id);
    waiting.delete(id);
    if (error) asked?.reject(new Error(error.message ?? "the host refused"));
    else asked?.resolve(result ?? {});
  });

  return {
    notify: (method, params = {}) => post({ method, params }),
    request: (method, params) =>
      new Promise((resolve, reject) => {
        const id = ++last;
        waiting.set(id, { resolve, reject });
        post({ id, method, params });
      }),
  };
}

