// The demo page: what a person sees of the grid. All text that came from outside is set with textContent.

import { GridClient } from "./grid.js";

const KEEP_MESSAGES = 500; // per room
const KEEP_NOTES = 200;
const KEEP_FRAMES = 300;
const FRAME_SHOWN = 2000; // characters of one frame in the log

const $ = (id) => document.getElementById(id);
const grid = new GridClient();
const rooms = new Map(); // name -> { entries: [], unread }
let current = null; // the room shown
let unreadNotes = 0;
let places = []; // [{ id, label, url }]: nginx, and each node

// ---- small helpers

function element(tag, className, text) {
    const node = document.createElement(tag);
    if (className) {
        node.className = className;
    }
    if (text !== undefined) {
        node.textContent = text;
    }
    return node;
}

function clock(ts) {
    return new Date(ts ?? Date.now()).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

function showBadge(id, count) {
    $(id).textContent = count;
    $(id).hidden = count === 0;
}

function view() {
    return $("app").dataset.view;
}

function wide() {
    return !matchMedia("(max-width: 42rem)").matches;
}

// Appends and keeps the end in sight, unless somebody has scrolled up to read.
function appendTo(list, item, keep) {
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    list.append(item);
    while (list.children.length > keep) {
        list.firstChild.remove();
    }
    if (atEnd) {
        list.scrollTop = list.scrollHeight;
    }
}

// What a push carries: [class, text]. Strings and {"text": …} read as text, anything else as the JSON it is.
function bodyOf(push) {
    if (push.text !== undefined) {
        return ["body code", `${push.text}\n(not JSON)`];
    }
    if (push.base64 !== undefined) {
        return ["body code", `${push.base64}\n(binary, shown as base64)`];
    }
    const data = push.data;
    if (typeof data === "string") {
        return ["body", data];
    }
    if (data && typeof data.text === "string" && Object.keys(data).length === 1) {
        return ["body", data.text];
    }
    return ["body code", JSON.stringify(data, null, 2)];
}

function metaOf(push) {
    const meta = element("div", "meta");
    meta.append(element("b", "", push.from ?? push.app ?? "a backend"));
    if (push.from === undefined && push.app !== undefined) {
        meta.append(element("span", "", "backend"));
    }
    if (push.type !== undefined && push.type !== "message") {
        meta.append(element("span", "", push.type));
    }
    meta.append(element("time", "", clock(push.ts)));
    return meta;
}

function card(tag, className, push) {
    const item = element(tag, className);
    item.append(metaOf(push), element("div", ...bodyOf(push)));
    if (push.id !== undefined) {
        item.title = `id ${push.id}`;
    }
    return item;
}

// ---- rooms and chat

function addRoom(name) {
    if (!rooms.has(name)) {
        rooms.set(name, { entries: [], unread: 0 });
    }
    showRoom(name);
}

function removeRoom(name) {
    rooms.delete(name);
    showRoom(current === name ? ([...rooms.keys()][0] ?? null) : current);
}

function showRoom(name) {
    current = name;
    if (name !== null) {
        rooms.get(name).unread = 0;
    }
    $("chat-title").textContent = name ?? "";
    $("leave").hidden = name === null;
    $("compose").hidden = name === null;
    $("messages").replaceChildren(...(name === null ? [] : rooms.get(name).entries));
    $("messages").scrollTop = $("messages").scrollHeight;
    showChatEmpty();
    showRoomList();
}

function showChatEmpty() {
    const empty = current === null || rooms.get(current).entries.length === 0;
    $("chat-empty").hidden = !empty;
    $("chat-empty").textContent = current === null
        ? "Join a room to talk. Everybody in it hears you, whichever node they are on."
        : "Nothing has been said here since you came.";
}

function showRoomList() {
    const items = [...rooms].map(([name, room]) => {
        const button = element("button");
        button.type = "button";
        button.append(element("span", "", name));
        if (room.unread > 0) {
            button.append(element("span", "badge", room.unread));
        }
        button.setAttribute("aria-current", String(name === current));
        button.onclick = () => showRoom(name);
        const item = element("li");
        item.append(button);
        return item;
    });
    $("room-list").replaceChildren(...items);
    showChatBadge();
}

function showChatBadge() {
    let unread = 0;
    rooms.forEach((room) => (unread += room.unread));
    showBadge("badge-chat", unread);
}

function addEntry(name, item) {
    const room = rooms.get(name);
    room.entries.push(item);
    if (room.entries.length > KEEP_MESSAGES) {
        room.entries.shift();
    }
    if (name === current) {
        appendTo($("messages"), item, KEEP_MESSAGES);
        showChatEmpty();
    }
}

function addSystemLine(name, text, failed = false) {
    if (rooms.has(name)) {
        addEntry(name, element("li", failed ? "message system failed" : "message system", text));
    }
}

function onMessage(push) {
    // Still on its way when we left.
    if (!rooms.has(push.room)) {
        return;
    }
    addEntry(push.room, card("li", push.from === grid.user ? "message own" : "message", push));
    if (push.room !== current || (!wide() && view() !== "chat")) {
        rooms.get(push.room).unread++;
        showRoomList();
    }
}

async function join(name) {
    try {
        await grid.join(name);
        addRoom(name);
        setBanner("");
    } catch (error) {
        setBanner(`Could not join ${name}: ${error.message} (${error.code})`);
    }
}

async function leave(name) {
    removeRoom(name);
    await grid.leave(name).catch(() => {}); // offline: it is not joined again, which is the same
}

async function say(room, text) {
    try {
        await grid.publish({ room, data: text });
    } catch (error) {
        addSystemLine(room, `Not sent: “${text}”. ${error.message} (${error.code})`, true);
    }
}

// ---- notifications

function onNotify(push) {
    $("notes-empty").hidden = true;
    const list = $("note-list");
    list.prepend(card("li", "note", push));
    while (list.children.length > KEEP_NOTES) {
        list.lastChild.remove();
    }
    if (!wide() && view() !== "notes") {
        showBadge("badge-notes", ++unreadNotes);
    }
}

// What looks like JSON goes out as that, anything else as a string.
function asData(text) {
    try {
        return JSON.parse(text);
    } catch {
        return text;
    }
}

async function notify(user, text) {
    const result = $("notify-result");
    result.className = "result";
    try {
        const ok = await grid.publish({ user, data: asData(text) });
        result.textContent = ok.routed
            ? `Delivered to where ${user} is connected (routed: true).`
            : `${user} is not connected; kept in the offline queue (routed: false).`;
    } catch (error) {
        result.classList.add("failed");
        result.textContent = `Not sent: ${error.message} (${error.code})`;
    }
}

// ---- frames

function onFrame({ direction, text }) {
    if (!$("log-on").checked) {
        return;
    }
    const item = element("li");
    const shown = text.length > FRAME_SHOWN ? `${text.slice(0, FRAME_SHOWN)}… (${text.length} characters)` : text;
    item.append(
        element("span", "time", clock()),
        element("span", direction, direction === "in" ? "←" : "→"),
        element("span", "", shown),
    );
    appendTo($("log-list"), item, KEEP_FRAMES);
}

// ---- the connection

function setBanner(text, canRetry = false) {
    $("banner").hidden = text === "";
    $("banner-text").textContent = text;
    $("retry").hidden = !canRetry;
}

function onState({ state, reason, retryAt }) {
    $("state-dot").className = `dot ${state}`;
    $("state-text").textContent = { idle: "not connected", connecting: "connecting…", online: "connected",
        waiting: "reconnecting…", closed: "closed" }[state];
    $("fact-user").textContent = grid.user;
    $("fact-node").textContent = grid.node ?? "–";
    $("fact-session").textContent = grid.session ?? "–";
    document.title = grid.user ? `${grid.user} · Grid Notify` : "Grid Notify";
    const inside = state !== "idle";
    $("facts").hidden = $("bar-actions").hidden = $("app").hidden = !inside;
    $("welcome").hidden = inside;
    for (const field of document.querySelectorAll("#app form button, #app form input")) {
        field.disabled = state !== "online";
    }
    showReason(state, reason, retryAt);
    noteReconnect(state);
}

// After a reconnect the rooms are joined again, but what was said in between went past.
let wasOnline = false;

function noteReconnect(state) {
    if (state === "online" && wasOnline) {
        for (const name of rooms.keys()) {
            addSystemLine(name, `Connected again, to node ${grid.node}. What was said in between is not shown.`);
        }
    }
    wasOnline = state !== "idle" && (wasOnline || state === "online");
}

let countdown = 0;

function showReason(state, reason, retryAt) {
    clearInterval(countdown);
    if (state === "waiting") {
        const tell = () => {
            const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
            setBanner(`Not connected: ${reason}. Trying again in ${seconds} s.`, true);
        };
        tell();
        countdown = setInterval(tell, 1000);
    } else if (state === "closed") {
        setBanner(`The node closed the connection: ${reason}.`);
    } else if (state === "online" || state === "idle") {
        setBanner("");
    }
}

function connect() {
    const place = places.find((p) => p.id === $("via").value) ?? places[0];
    $("via-live").value = place.id;
    sessionStorage.setItem("user", $("login-user").value);
    grid.connect(place.url, $("login-user").value);
}

function disconnect() {
    grid.close();
    rooms.clear();
    showRoom(null);
}

// ---- where one can connect

function throughNginx() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    return { id: "nginx", label: "through nginx", url: `${scheme}//${location.host}/ws` };
}

// nodes.json comes from scripts/run; a deployed page has none and offers the front door only.
async function findPlaces() {
    places = [throughNginx()];
    try {
        const answer = await fetch("nodes.json", { cache: "no-store" });
        const { nodes } = await answer.json();
        for (const { id, url } of nodes) {
            places.push({ id, label: `directly to ${id}`, url: onThisHost(url) });
        }
    } catch {
        // none
    }
    for (const select of [$("via"), $("via-live")]) {
        select.replaceChildren(...places.map(({ id, label }) => new Option(label, id)));
    }
}

// `localhost` in nodes.json is the machine the page came from, whatever name it was reached by.
function onThisHost(url) {
    const there = new URL(url);
    if (there.hostname === "localhost") {
        there.hostname = location.hostname;
    }
    return there.href;
}

// ---- wiring

function onSubmit(id, fn) {
    $(id).addEventListener("submit", (event) => {
        event.preventDefault();
        fn();
    });
}

// The value of a field, which is emptied.
function take(id) {
    const value = $(id).value;
    $(id).value = "";
    return value;
}

function setView(name) {
    $("app").dataset.view = name;
    if (name === "notes") {
        unreadNotes = 0;
        showBadge("badge-notes", 0);
    } else if (name === "chat" && current !== null) {
        showRoom(current);
    }
}

function wire() {
    onSubmit("login", connect);
    onSubmit("join", () => join(take("join-room")));
    onSubmit("compose", () => say(current, take("compose-text")));
    onSubmit("notify", () => notify($("notify-user").value, take("notify-text")));
    $("leave").onclick = () => leave(current);
    $("disconnect").onclick = disconnect;
    $("retry").onclick = () => grid.retryNow();
    $("log-clear").onclick = () => $("log-list").replaceChildren();
    $("via-live").onchange = () => {
        $("via").value = $("via-live").value;
        connect();
    };
    for (const button of document.querySelectorAll(".views button")) {
        button.onclick = () => setView(button.dataset.view);
    }
    addEventListener("online", () => grid.retryNow());

    grid.addEventListener("state", (event) => onState(event.detail));
    grid.addEventListener("frame", (event) => onFrame(event.detail));
    grid.addEventListener("rejoin", ({ detail }) => {
        addSystemLine(detail.room, `Could not join again: ${detail.error.message} (${detail.error.code})`, true);
    });
    grid.addEventListener("push", ({ detail: push }) => {
        if (push.op === "message") {
            onMessage(push);
        } else if (push.op === "notify") {
            onNotify(push);
        } else if (push.op === "error") {
            setBanner(`The node says: ${push.message} (${push.code})`);
        }
    });
}

// ?user=42&room=lobby&via=n2 goes straight in; `room` may be repeated.
async function start() {
    const query = new URLSearchParams(location.search);
    wire();
    showRoom(null);
    await findPlaces();
    if (places.some((place) => place.id === query.get("via"))) {
        $("via").value = query.get("via");
    }
    const guest = `guest-${Math.floor(1000 + Math.random() * 9000)}`;
    $("login-user").value = query.get("user") ?? sessionStorage.getItem("user") ?? guest;
    if (query.has("user")) {
        const joinAsked = ({ detail }) => {
            if (detail.state === "online") {
                grid.removeEventListener("state", joinAsked);
                query.getAll("room").forEach(join);
            }
        };
        grid.addEventListener("state", joinAsked);
        connect();
    } else {
        $("login-user").select();
    }
}

start();
