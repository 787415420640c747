// A small client for the grid.v1.json protocol (docs/protocol.md, section 2): one websocket that comes back by itself,
// requests answered by promises, rooms joined again after a reconnect.
//
//   const grid = new GridClient();
//   grid.addEventListener("push", (e) => show(e.detail));        // message, notify, presence, bye
//   grid.connect("ws://localhost:5200/ws", "42");
//   await grid.join("lobby");
//   await grid.publish({ room: "lobby", data: "hello" });
//
// Events, all with `detail`:
//   state   { state, reason, retryAt }   idle | connecting | online | waiting (retryAt: when it tries again) | closed
//   push    the frame
//   rejoin  { room, error }              a room could not be joined again
//   frame   { direction: "in" | "out", text }

const REQUEST_TIMEOUT_MS = 15000;
const WELCOME_TIMEOUT_MS = 15000;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 15000;
const STABLE_MS = 10000; // online for so long: the next loss starts with a short pause again

// Close codes after which coming back by itself would be wrong, and what to tell people.
const FINAL_CLOSES = new Map([
    [1002, "the node saw a broken websocket frame"],
    [1003, "the node takes text frames only"],
    [1007, "a frame was not valid UTF-8"],
    [1009, "a frame was larger than the node allows"],
    [4001, "the node did not accept the credentials"],
    [4002, "the token has expired"],
    [4003, "removed by an operator"],
]);

const OTHER_CLOSES = new Map([
    [1006, "the connection was lost or could not be made"],
    [1012, "the node is restarting"],
    [1013, "the node is full or not ready yet"],
    [4004, "this client read too slowly"],
    [4005, "too many bad or too frequent requests"],
]);

export class GridError extends Error {
    constructor(code, message) {
        super(message || code);
        this.name = "GridError";
        this.code = code;
    }
}

export class GridClient extends EventTarget {
    #socket = null;
    #url = null;
    #rooms = new Map(); // wanted rooms -> the options they were joined with
    #pending = new Map(); // ref -> { resolve, reject, timer }
    #nextRef = 1;
    #failures = 0;
    #retryTimer = 0;
    #welcomeTimer = 0;
    #stableTimer = 0;
    #liveTimer = 0;
    #retryMs = null; // what a `bye` asked for

    state = "idle";
    user = null;
    node = null;
    session = null;

    get rooms() {
        return [...this.#rooms.keys()];
    }

    // Connects as `user`, or moves there from where it is. Rooms stay joined.
    connect(url, user) {
        this.#abandon();
        this.user = user;
        this.#url = new URL(url);
        this.#url.searchParams.set("user", user);
        this.#failures = 0;
        this.#open();
    }

    close() {
        this.#abandon();
        this.#rooms.clear();
        this.#setState("idle");
    }

    // Do not wait for the timer: the network is back, or somebody pressed a button.
    retryNow() {
        if (this.state === "waiting") {
            clearTimeout(this.#retryTimer);
            this.#open();
        }
    }

    // A room whose join failed is not wanted any more; one joined before a reconnect still is.
    async join(room) {
        const answer = await this.request("join", { room });
        this.#rooms.set(room, {});
        return answer;
    }

    async leave(room) {
        this.#rooms.delete(room);
        return this.request("leave", { room });
    }

    // fields: room or user, data, and optionally type, id, echo.
    publish(fields) {
        return this.request("publish", fields);
    }

    // Resolves with the `ok`, rejects with a GridError: the node's, or code "offline", "lost" or "timeout" of our own.
    request(op, fields = {}) {
        if (this.state !== "online") {
            return Promise.reject(new GridError("offline", "not connected"));
        }
        const ref = String(this.#nextRef++);
        return new Promise((resolve, reject) => {
            const timer = setTimeout(() => {
                this.#pending.delete(ref);
                reject(new GridError("timeout", "the node did not answer in time"));
            }, REQUEST_TIMEOUT_MS);
            this.#pending.set(ref, { resolve, reject, timer });
            this.#send({ op, ref, ...fields });
        });
    }

    // ---- the socket

    #open() {
        const socket = new WebSocket(this.#url, "grid.v1.json");
        this.#socket = socket;
        this.#retryMs = null;
        this.#setState("connecting");
        this.#welcomeTimer = setTimeout(() => this.#lost("the node did not answer"), WELCOME_TIMEOUT_MS);
        // A socket that was given up must not speak for its successor.
        const mine = (fn) => (event) => socket === this.#socket && fn(event);
        socket.onmessage = mine((event) => this.#receive(event.data));
        socket.onclose = mine((event) => this.#closed(event.code, event.reason));
    }

    #send(frame) {
        const text = JSON.stringify(frame);
        this.#socket.send(text);
        this.#emit("frame", { direction: "out", text });
    }

    #receive(text) {
        this.#emit("frame", { direction: "in", text });
        this.#restartLiveTimer();
        const frame = JSON.parse(text);
        if (frame.op === "welcome") {
            this.#welcomed(frame);
        } else if ((frame.op === "ok" || frame.op === "error") && this.#pending.has(frame.ref)) {
            this.#answered(frame);
        } else {
            if (frame.op === "bye") {
                this.#retryMs = frame.retry_ms ?? null;
            }
            this.#emit("push", frame);
        }
    }

    #welcomed(frame) {
        clearTimeout(this.#welcomeTimer);
        this.node = frame.node;
        this.session = frame.session;
        this.heartbeatMs = (frame.heartbeat || 25) * 1000;
        this.#stableTimer = setTimeout(() => (this.#failures = 0), STABLE_MS);
        this.#restartLiveTimer();
        this.#setState("online");
        for (const room of this.#rooms.keys()) {
            this.#rejoin(room);
        }
    }

    async #rejoin(room) {
        try {
            await this.request("join", { room });
        } catch (error) {
            // Lost again: the next connection tries anew. Anything else is an answer.
            if (error.code !== "lost" && error.code !== "offline") {
                this.#rooms.delete(room);
                this.#emit("rejoin", { room, error });
            }
        }
    }

    #answered(frame) {
        const { resolve, reject, timer } = this.#pending.get(frame.ref);
        this.#pending.delete(frame.ref);
        clearTimeout(timer);
        if (frame.op === "ok") {
            resolve(frame);
        } else {
            reject(new GridError(frame.code, frame.message));
        }
    }

    // Browsers do not show websocket pings. So when nothing came for a heartbeat, ask; no answer: the link is dead.
    #restartLiveTimer() {
        clearTimeout(this.#liveTimer);
        this.#liveTimer = setTimeout(() => {
            const socket = this.#socket;
            this.request("ping").catch((error) => {
                if (error.code === "timeout" && socket === this.#socket) {
                    this.#lost("the node does not answer any more");
                }
            });
        }, this.heartbeatMs || 25000);
    }

    // ---- the end of a connection, and the next one

    #closed(code, reason) {
        const why = reason || FINAL_CLOSES.get(code) || OTHER_CLOSES.get(code) || "connection closed";
        const retryMs = this.#retryMs;
        this.#forget();
        if (code === 1000 || FINAL_CLOSES.has(code)) {
            this.#setState("closed", `${why} (${code})`);
        } else if (code === 1012 && retryMs !== null) {
            this.#wait(retryMs, `${why} (${code})`);
        } else {
            this.#wait(this.#backoff(), `${why} (${code})`);
        }
    }

    #lost(why) {
        this.#abandon();
        this.#wait(this.#backoff(), why);
    }

    #wait(ms, reason) {
        this.#retryTimer = setTimeout(() => this.#open(), ms);
        this.#setState("waiting", reason, Date.now() + ms);
    }

    // Doubled each time, and never the same for everybody: half of it is chance.
    #backoff() {
        const full = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.#failures++);
        return full / 2 + (Math.random() * full) / 2;
    }

    #abandon() {
        const socket = this.#socket;
        this.#forget();
        socket?.close(1000);
    }

    #forget() {
        this.#socket = null;
        this.node = this.session = null;
        for (const timer of [this.#retryTimer, this.#welcomeTimer, this.#stableTimer, this.#liveTimer]) {
            clearTimeout(timer);
        }
        for (const { reject, timer } of this.#pending.values()) {
            clearTimeout(timer);
            reject(new GridError("lost", "the connection was lost before the answer came"));
        }
        this.#pending.clear();
    }

    #setState(state, reason = "", retryAt = null) {
        this.state = state;
        this.#emit("state", { state, reason, retryAt });
    }

    #emit(type, detail) {
        this.dispatchEvent(new CustomEvent(type, { detail }));
    }
}
