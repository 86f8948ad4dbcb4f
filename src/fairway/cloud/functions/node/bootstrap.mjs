// Runs a Node.js function against the Lambda Runtime API. No dependencies.
//
// Follows "Using the Lambda runtime API for custom runtimes", "Define Lambda
// function handler in Node.js", "Using the Lambda context object to retrieve
// Node.js function information" and "Log and monitor Node.js Lambda functions".

import fs from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { format } from "node:util";

const [apiHost, apiPort] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const PREFIX = "/2018-06-01/runtime/";
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
let requestId; // of the invocation under way; "undefined" in logs before the first, as on Lambda
let finish = null; // ends the invocation under way, once

// --- what is logged ---------------------------------------------------------

function writeAll(descriptor, text) {
  let data = Buffer.from(text);
  while (data.length > 0) {
    try {
      data = data.subarray(fs.writeSync(descriptor, data));
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1); // the pipe is full
    }
  }
}

// Carriage returns keep the lines of one message together: see LogStream.
function logLine(level, message) {
  const line = `${new Date().toISOString()}\t${requestId}\t${level}\t${message}`;
  writeAll(1, line.replaceAll("\n", "\r") + "\n");
}

const LEVELS = { log: "INFO", info: "INFO", warn: "WARN", error: "ERROR", debug: "DEBUG" };
for (const [method, level] of Object.entries(LEVELS)) {
  console[method] = (...values) => logLine(level, format(...values));
}
console.trace = (...values) => {
  const trace = new Error(format(...values));
  trace.name = "Trace";
  Error.captureStackTrace(trace, console.trace);
  logLine("TRACE", trace.stack);
};

function logError(title, error) {
  const known = describeError(error);
  const shown = { errorType: known.errorType, errorMessage: known.errorMessage };
  if (error && typeof error === "object") Object.assign(shown, error);
  shown.stack = known.trace;
  let text;
  try {
    text = JSON.stringify(shown);
  } catch {
    text = JSON.stringify({ ...known });
  }
  logLine("ERROR", `${title} \t${text}`);
}

function describeError(error) {
  if (error instanceof Error || (error && error.stack !== undefined)) {
    return {
      errorType: String(error.name ?? "Error"),
      errorMessage: String(error.message ?? ""),
      trace: String(error.stack ?? "").split("\n"),
    };
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

class RuntimeError extends Error {
  constructor(type, message, cause) {
    super(message);
    this.name = type;
    if (cause?.stack) this.stack = `${type}: ${message}\n${cause.stack.split("\n").slice(1).join("\n")}`;
  }
}

// --- the Runtime API --------------------------------------------------------

function call(method, operation, body) {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) };
    const request = http.request({ host: apiHost, port: apiPort, method, path: PREFIX + operation, agent, headers }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts) }));
      answer.on("error", reject);
    });
    request.setTimeout(0);
    request.on("error", reject);
    request.end(body);
  });
}

// The cloud has gone: nothing here can go on.
const abandon = () => process.exit(1);

async function failInit(error) {
  logError("Uncaught Exception", error);
  await call("POST", "init/error", JSON.stringify(describeError(error))).catch(() => {});
  process.exit(1);
}

// --- the handler ------------------------------------------------------------

function isModule(file) {
  if (file.endsWith(".mjs")) return true;
  if (file.endsWith(".cjs")) return false;
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")).type === "module";
    } catch (error) {
      if (error.code !== "ENOENT" && error.code !== "ENOTDIR") return false;
    }
    if (folder === path.dirname(folder)) return false;
  }
}

function findFile(stem) {
  for (const end of ["", ".js", ".mjs", ".cjs"]) {
    if (fs.statSync(stem + end, { throwIfNoEntry: false })?.isFile()) return stem + end;
  }
  throw new RuntimeError("Runtime.ImportModuleError", `Error: Cannot find module '${path.basename(stem)}'`);
}

async function loadModule(file) {
  try {
    if (isModule(file)) return await import(pathToFileURL(file).href);
    return createRequire(file)(file);
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new RuntimeError("Runtime.UserCodeSyntaxError", String(error), error);
    }
    if (error?.code === "MODULE_NOT_FOUND" || error?.code === "ERR_MODULE_NOT_FOUND") {
      if (/['"](@aws-sdk\/|@smithy\/|aws-sdk['"])/.test(error.message)) {
        writeAll(2, "The AWS SDK for JavaScript comes with Lambda's runtime but not with this machine's: add the package to your package.json.\n");
      }
      throw new RuntimeError("Runtime.ImportModuleError", String(error), error);
    }
    throw error;
  }
}

async function loadHandler(root, name) {
  const base = path.basename(name);
  const dot = base.indexOf(".");
  if (dot <= 0 || dot === base.length - 1 || name.includes("..")) {
    throw new RuntimeError("Runtime.MalformedHandlerName", `'${name}' is not a valid handler name`);
  }
  const folder = name.slice(0, name.length - base.length);
  const loaded = await loadModule(findFile(path.resolve(root, folder, base.slice(0, dot))));
  const keys = base.slice(dot + 1).split(".");
  const pick = (from) => keys.reduce((value, key) => value?.[key], from);
  const found = pick(loaded) ?? pick(loaded?.default);
  if (found === undefined || found === null) {
    throw new RuntimeError("Runtime.HandlerNotFound", `${name} is undefined or not exported`);
  }
  if (typeof found !== "function") {
    throw new RuntimeError("Runtime.HandlerNotFound", `${name} is not a function`);
  }
  return found;
}

// --- one invocation ---------------------------------------------------------

function serialize(value) {
  try {
    return JSON.stringify(value === undefined ? null : value) ?? "null";
  } catch (error) {
    throw new Error(`Unable to stringify response body: ${error.message}`);
  }
}

function parseHeader(text) {
  return text ? JSON.parse(text) : undefined;
}

function makeContext(headers, settle) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  const state = { waits: true };
  const context = {
    get callbackWaitsForEmptyEventLoop() {
      return state.waits;
    },
    set callbackWaitsForEmptyEventLoop(value) {
      state.waits = Boolean(value);
    },
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parseHeader(headers["lambda-runtime-client-context"]),
    identity: parseHeader(headers["lambda-runtime-cognito-identity"]),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    getRemainingTimeInMillis: () => deadline - Date.now(),
    done: (error, value) => settle(error, value, true),
    fail: (error) => settle(error ?? new Error("handled"), undefined, true),
    succeed: (value) => settle(null, value, true),
  };
  return { context, state };
}

// Answers once the handler has: at once for promises, and for callbacks when
// the event loop is empty unless the handler says otherwise.
function invoke(handler, event, headers) {
  return new Promise((resolve) => {
    let settled = false;
    const end = (error, value) => {
      if (finish !== end) return;
      finish = null;
      process.removeListener("beforeExit", onEmpty);
      resolve({ error, value });
    };
    let outcome = [null, undefined];
    const onEmpty = () => end(...outcome);
    const settle = (error, value, now) => {
      if (settled) return;
      settled = true;
      outcome = [error ?? null, value];
      if (now || !state.waits) setImmediate(() => end(...outcome));
    };
    const { context, state } = makeContext(headers, settle);
    finish = end;
    process.on("beforeExit", onEmpty);
    try {
      const answer = handler(event, context, (error, value) => settle(error, value, false));
      if (typeof answer?.then === "function") {
        answer.then((value) => settle(null, value, true), (error) => settle(error ?? new Error("rejected"), undefined, true));
      }
    } catch (error) {
      settle(error ?? new Error("thrown"), undefined, true);
    }
  });
}

async function answer({ error, value }) {
  let body;
  if (error === null || error === undefined) {
    try {
      body = serialize(value);
    } catch (unserializable) {
      error = unserializable;
    }
  }
  if (body === undefined) {
    logError("Invoke Error", error);
    await call("POST", `invocation/${requestId}/error`, JSON.stringify(describeError(error)));
  } else {
    await call("POST", `invocation/${requestId}/response`, body);
  }
}

async function serve(handler) {
  for (;;) {
    const next = await call("GET", "invocation/next");
    if (next.status !== 200) return abandon();
    requestId = next.headers["lambda-runtime-aws-request-id"];
    process.env._X_AMZN_TRACE_ID = next.headers["lambda-runtime-trace-id"] ?? "";
    let event;
    try {
      event = JSON.parse(next.body.toString("utf8"));
    } catch (error) {
      await answer({ error });
      continue;
    }
    await answer(await invoke(handler, event, next.headers));
  }
}

// --- what nobody caught -----------------------------------------------------

let dying = false;

function die(title, error, code) {
  if (dying) return;
  dying = true;
  logError(title, error);
  const operation = handlerLoaded ? finish && `invocation/${requestId}/error` : "init/error";
  const told = operation ? call("POST", operation, JSON.stringify(describeError(error))) : Promise.resolve();
  told.catch(() => {}).finally(() => process.exit(code));
}

let handlerLoaded = false;
process.on("uncaughtException", (error) => die("Uncaught Exception", error, 129));
process.on("unhandledRejection", (reason) => {
  const error = new RuntimeError("Runtime.UnhandledPromiseRejection", String(reason), reason);
  error.reason = reason instanceof Error ? describeError(reason) : reason;
  die("Unhandled Promise Rejection", error, 128);
});

globalThis.awslambda = {
  streamifyResponse() {
    throw new Error("Response streaming is not supported by the local cloud.");
  },
};

try {
  const handler = await loadHandler(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
  handlerLoaded = true;
  serve(handler).catch(abandon);
} catch (error) {
  await failInit(error);
}
