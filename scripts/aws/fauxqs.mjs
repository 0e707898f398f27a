// Runs fauxqs, a server of Amazon SQS and S3, on a free port of the loopback
// interface and prints "Listening on http://127.0.0.1:PORT".
//
// The server is the package as it is, with the rules put right in which its FIFO
// queues and its buckets differ from what Amazon's documentation says, because
// those are the rules that entrasync relies on. Each correction names its rule.

import { AsyncLocalStorage } from "node:async_hooks";
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { register } from "node:module";

// Only the persistence of fauxqs needs node:sqlite, which Node has since 22.5;
// everything here is in memory, so that Node 20 is enough.
register(
  "data:text/javascript," +
    encodeURIComponent(`
      export const resolve = (specifier, context, next) =>
        specifier === "node:sqlite"
          ? { url: "data:text/javascript,export class DatabaseSync {}", shortCircuit: true }
          : next(specifier, context);
    `),
);

const dist = new URL("node_modules/fauxqs/dist/", import.meta.url);
const { buildApp } = await import(new URL("app.js", dist));
const { SqsStore, SqsQueue } = await import(new URL("sqs/sqsStore.js", dist));
const { INVALID_MESSAGE_BODY_CHAR } = await import(new URL("sqs/sqsTypes.js", dist));

// SendMessage, MessageBody: "#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD
// | #x10000 to #x10FFFF". fauxqs refuses the last range.
const invalidCharacter = /[^\x09\x0A\x0D\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;
INVALID_MESSAGE_BODY_CHAR.test = (body) => invalidCharacter.test(body);

// "A receipt handle of a FIFO queue ends with the visibility timeout"
// (DeleteMessage, ChangeMessageVisibility), and the counts of a queue follow it
// (GetQueueAttributes). fauxqs ends timeouts only when somebody receives.
const { getQueue } = SqsStore.prototype;
SqsStore.prototype.getQueue = function (url) {
  const queue = getQueue.call(this, url);
  queue?.processTimers();
  return queue;
};

// Messages of a group come in the order of their sequence numbers, also those
// that come again (FIFO delivery logic). fauxqs puts each of them at the front.
const inOrder = (queue) => {
  for (const messages of queue.fifoMessages.values()) {
    messages.sort((a, b) => (a.sequenceNumber < b.sequenceNumber ? -1 : 1));
  }
};
const { processTimers, changeVisibility } = SqsQueue.prototype;
SqsQueue.prototype.processTimers = function () {
  processTimers.call(this);
  inOrder(this);
};
SqsQueue.prototype.changeVisibility = function (receipt, seconds) {
  changeVisibility.call(this, receipt, seconds);
  inOrder(this);
};

// A ReceiveMessage whose caller has gone away takes nothing. fauxqs lets it wait
// on and gives it the next message.
const calls = new AsyncLocalStorage();

// "Amazon SQS first attempts to return as many messages with the same message
// group ID as possible", and a batch from one group locks it as a whole
// (ReceiveMessage, FIFO delivery logic). fauxqs returns one message of a group.
const { dequeueFifo } = SqsQueue.prototype;
SqsQueue.prototype.dequeueFifo = function (limit, visibility, deadLetters) {
  if (calls.getStore()?.socket.destroyed) return [];
  this.processTimers();
  this.processTimers = () => {}; // the call is one moment: a timeout that ends now frees a group after it
  const locked = new Map(this.fifoLockedGroups);
  const received = [];
  while (received.length < limit) {
    const [message] = dequeueFifo.call(this, 1, visibility, deadLetters);
    if (!message) break;
    received.push(message);
    const group = this.inflightMessages.get(message.ReceiptHandle).message.messageGroupId;
    locked.set(group, (locked.get(group) ?? 0) + 1);
    this.fifoLockedGroups.delete(group); // open to the next message of this very call
  }
  delete this.processTimers; // the one of the class again
  this.fifoLockedGroups = locked;
  return received;
};

const app = buildApp({ logger: false, stores: undefined });
app.addHook("preHandler", (request, _reply, done) => calls.run(request.raw, done));

// The body of CompleteMultipartUpload is XML, in which a quote may be written as a
// number. The SDK for Go does so in every ETag, and fauxqs finds no such part.
app.addHook("preHandler", async (request) => {
  if (request.method === "POST" && request.query?.uploadId) {
    request.body = Buffer.from(String(request.body).replaceAll("&#34;", "&quot;"));
  }
});

// The secret key of shared/aws/awstest.
const secretKey = "entrasync";

// An object is for whoever signs the request, in a header or in the URL, and a
// signed URL is for this very URL until it expires ("Authenticating Requests: Using
// Query Parameters"). fauxqs gives objects to everybody. Signatures in headers are
// not checked here.
const refusal = (request) => {
  if (request.headers.authorization) return null;
  const [path, search = ""] = request.originalUrl.split("?");
  const query = request.query ?? {};
  if (!query["X-Amz-Signature"]) return "AccessDenied";
  const [, day, region, service, end] = String(query["X-Amz-Credential"]).split("/");
  const hash = (text) => createHash("sha256").update(text).digest("hex");
  const signedHeaders = String(query["X-Amz-SignedHeaders"]);
  const canonical = [
    request.method,
    path,
    search.split("&").filter((pair) => !pair.startsWith("X-Amz-Signature=")).sort().join("&"),
    ...signedHeaders.split(";").map((name) => `${name}:${request.headers[name] ?? ""}`),
    "",
    signedHeaders,
    "UNSIGNED-PAYLOAD",
  ].join("\n");
  const date = String(query["X-Amz-Date"]);
  const text = ["AWS4-HMAC-SHA256", date, [day, region, service, end].join("/"), hash(canonical)].join("\n");
  const key = [day, region, service, end].reduce(
    (secret, part) => createHmac("sha256", secret).update(String(part)).digest(),
    `AWS4${secretKey}`,
  );
  const want = createHmac("sha256", key).update(text).digest();
  const got = Buffer.from(String(query["X-Amz-Signature"]), "hex");
  if (got.length !== want.length || !timingSafeEqual(got, want)) return "SignatureDoesNotMatch";
  const signed = Date.parse(date.replace(/^(....)(..)(..T..)(..)(..Z)$/, "$1-$2-$3:$4:$5"));
  return Date.now() < signed + 1000 * Number(query["X-Amz-Expires"]) ? null : "AccessDenied";
};
const isObject = (request) => request.routeOptions.url === "/:bucket/*" && Boolean(request.params["*"]);
app.addHook("preHandler", async (request, reply) => {
  const code = isObject(request) ? refusal(request) : null;
  if (code) {
    return reply.status(403).type("application/xml").send(`<Error><Code>${code}</Code><Message>refused</Message></Error>`);
  }
});

// A signed request may set headers of the response (GetObject,
// response-content-disposition and others). fauxqs ignores them.
app.addHook("onSend", async (request, reply) => {
  if (request.method !== "GET" || reply.statusCode >= 300 || !isObject(request)) return;
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (name.startsWith("response-")) reply.header(name.slice("response-".length), value);
  }
});

console.log(`Listening on ${await app.listen({ port: 0, host: "127.0.0.1" })}`);
