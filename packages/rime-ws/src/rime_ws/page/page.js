// The page of rime's debug stream (docs/debug-stream.md): what there is, who has what of it, and what changes.
//
// What the stream tells is kept in maps and drawn once a frame at most; of a list only the rows that can be seen are.

const ROW = 46; // pixels, as in page.css
const MOST_CHANGES = 1000; // of the timeline; older ones are forgotten
const MOST_LINES = 1500; // of a text whose lines are compared; of a longer one both are shown whole
const STATES = ["rejected", "pending", "held", "synced"];
const byId = (id) => document.getElementById(id);

const state = {
  types: [], // as "hello" tells them
  resources: new Map(), // type → name → resource
  clients: new Map(), // key → client
  changes: [], // the latest last
  status: null,
  group: null,
  view: { name: "clients", type: null, key: null },
  search: "",
  client: null, // (type, name) → how far the chosen client has got
  body: null, // of the chosen resource
};

// --- the stream

let socket = null;
let pause = 250;
let subscriptions = 0;
let chosen = null; // the id of what is subscribed to for the details

function connect() {
  const token = sessionStorage.getItem("rime-token");
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/`, token ? ["rime.v1", `bearer.${base64url(token)}`] : ["rime.v1"]);
  let opened = false;
  socket.onopen = () => { opened = true; pause = 250; };
  socket.onmessage = (event) => receive(JSON.parse(event.data));
  socket.onclose = async () => {
    tell("not connected", true);
    chosen = null;
    if (!opened && (await isRefused(token))) return;
    setTimeout(connect, pause);
    pause = Math.min(pause * 2, 5000);
  };
}

function base64url(text) {
  const bytes = String.fromCharCode(...new TextEncoder().encode(text));
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// A page is not told why its connection failed, so it asks in another way.
async function isRefused(token) {
  try {
    const answer = await fetch("/metrics", token ? { headers: { Authorization: `Bearer ${token}` } } : {});
    if (answer.status !== 401) return false;
    byId("refused").textContent = token ? "This is not the token." : "";
    byId("ask").hidden = false;
    byId("token").focus();
    return true;
  } catch {
    return false;
  }
}

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("rime-token", byId("token").value.trim());
  byId("ask").hidden = true;
  connect();
});

function say(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function tell(text, off = false) {
  byId("connection").textContent = text;
  byId("connection").classList.toggle("off", off);
}

function receive(message) {
  const take = { hello, resources, clients, client, status, error }[message.message];
  if (take) take(message);
  draw();
}

function hello(message) {
  state.types = message.types;
  state.group = message.groups.includes(state.group) ? state.group : message.groups[0];
  byId("groups").hidden = message.groups.length < 2;
  fill(byId("group"), message.groups.map((name) => [name, name]), state.group);
  state.clients.clear();
  say({ message: "subscribe", feed: "status", id: "status" });
  say({ message: "subscribe", feed: "clients", id: "clients" });
  for (const { type, type_url } of state.types) follow(type, type_url);
  tell(`connected · rime ${message.version}`);
  choose();
}

// Everything of a type, from what is known of it already; what changes comes with what was before.
function follow(type, type_url) {
  const known = Object.fromEntries([...of(type).values()].map((each) => [each.name, each.version]));
  say({
    message: "subscribe", id: `all ${type}`, type: type_url, bodies: "changes", previous: true, known, group: state.group,
  });
}

function of(type) {
  if (!state.resources.has(type)) state.resources.set(type, new Map());
  return state.resources.get(type);
}

function resources(message) {
  if (message.id === chosen) {
    state.body = message.resources[0] ?? null;
    return;
  }
  if (!message.id.startsWith("all ")) return;
  const there = of(message.type);
  if (message.full) there.clear();
  for (const each of message.resources) {
    const before = there.get(each.name);
    there.set(each.name, each);
    if (!message.first) noteChange(message, each.name, before ? "changed" : "added", each);
  }
  for (const name of message.removed) {
    if (there.delete(name) && !message.first) noteChange(message, name, "removed", null);
  }
}

function noteChange(message, name, kind, after) {
  const before = message.previous?.[name] ?? null;
  state.changes.push({ time: message.time, type: message.type, name, kind, before, after, label: message.label, number: ++subscriptions });
  if (state.changes.length > MOST_CHANGES) state.changes.shift();
}

function clients(message) {
  for (const each of message.clients) state.clients.set(each.client, each);
  for (const key of message.removed) state.clients.delete(key);
}

function client(message) {
  if (message.id !== chosen) return;
  state.client ??= { rows: new Map(), connected: true };
  state.client.connected = message.connected;
  for (const each of message.resources) state.client.rows.set(`${each.type}/${each.name}`, each);
  for (const [type, name] of message.removed) state.client.rows.delete(`${type}/${name}`);
}

function status(message) {
  state.status = message.groups;
}

function error(message) {
  console.warn(message.error);
}

// --- where we are

let shownHash = null;

function route() {
  if (shownHash === location.hash) return;
  shownHash = location.hash;
  const [name, ...rest] = location.hash.slice(2).split("/").map(decodeURIComponent);
  const view = { name: ["clients", "resources", "changes"].includes(name) ? name : "clients", type: null, key: null };
  if (view.name === "resources") [view.type, view.key] = [rest[0] ?? state.view.type, rest.length > 1 ? rest.slice(1).join("/") : null];
  else view.key = rest.length ? rest.join("/") : null;
  if (view.name !== state.view.name) { byId("search").value = state.search = ""; byId("list").scrollTop = 0; }
  state.view = view;
  for (const link of document.querySelectorAll("nav a")) {
    link.toggleAttribute("aria-current", link.hash === `#/${view.name}`);
    if (link.hash === `#/${view.name}`) link.setAttribute("aria-current", "page");
  }
  choose();
  draw();
}

// Subscribe to what the details show, and to nothing that they showed before.
function choose() {
  if (chosen) say({ message: "unsubscribe", id: chosen });
  chosen = state.client = state.body = null;
  const { name, type, key } = state.view;
  if (!key || socket?.readyState !== WebSocket.OPEN) return;
  const id = `chosen ${++subscriptions}`;
  const type_url = state.types.find((each) => each.type === type)?.type_url;
  if (name === "clients") say({ message: "subscribe", feed: "client", id, client: key });
  else if (name === "resources" && type_url) say({ message: "subscribe", id, type: type_url, names: [key], group: state.group });
  else return;
  chosen = id;
}

// At once, and not when the browser says that the address changed: what is typed next is meant for what is shown then.
function go(hash) {
  location.hash = hash;
  route();
  drawList();
}

const linkTo = (...parts) => `#/${parts.map(encodeURIComponent).join("/")}`;

// --- drawing

let drawing = false;

function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    drawHeader();
    drawList();
    drawDetail();
  });
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) if (value != null) made.setAttribute(key, value);
  made.append(...children.filter((each) => each != null));
  return made;
}

const badge = (word) => element("span", { class: `state ${word.replace(" ", "-")}` }, word);

function fill(select, options, value) {
  const wanted = JSON.stringify([options, value]);
  if (select.dataset.filled === wanted) return;
  select.dataset.filled = wanted;
  select.replaceChildren(...options.map(([each, text]) => element("option", { value: each }, text)));
  select.value = value;
}

function drawHeader() {
  const total = [...state.resources.values()].reduce((sum, each) => sum + each.size, 0);
  const rejected = [...state.clients.values()].filter((each) => each.state === "rejected").length;
  byId("clients-count").textContent = rejected ? `${state.clients.size}, ${rejected} rejecting` : state.clients.size;
  byId("resources-count").textContent = total;
  byId("changes-count").textContent = state.changes.length;
  const notices = Object.entries(state.status ?? {}).flatMap(([group, each]) => [
    ...each.sources.filter((source) => !source.ready).map((source) => `${source.name} has not delivered its first state`),
    ...each.sources.flatMap((source) => source.incomplete.map((line) => `${source.name}: ${line}`)),
    ...each.held.map((held) => `the removal of ${held.type} '${held.name}' waits: ${held.why}`),
    ...each.contested.map((name) => `${name.type} '${name.name}' is claimed by ${name.sources.join(" and ")}`),
  ].map((line) => (Object.keys(state.status).length > 1 ? `${group}: ${line}` : line)));
  byId("notices").hidden = notices.length === 0;
  replaceWhenChanged(byId("notices"), notices, () => notices.map((line) => element("p", {}, line)));
}

function replaceWhenChanged(where, content, make) {
  const text = JSON.stringify(content);
  if (where.dataset.shows === text) return;
  where.dataset.shows = text;
  where.replaceChildren(...make());
}

// What the list holds, each with the key of its details.
function entries() {
  const { name, type } = state.view;
  const searched = state.search.toLowerCase();
  const found = (text) => text.toLowerCase().includes(searched);
  if (name === "clients") {
    return [...state.clients.values()]
      .filter((each) => found(`${each.client} ${each.node.cluster ?? ""} ${each.state}`))
      .sort((one, other) => STATES.indexOf(one.state) - STATES.indexOf(other.state) || inOrder(one.client, other.client))
      .map((each) => ({ key: each.client, item: each }));
  }
  if (name === "resources") {
    return [...of(type).values()].filter((each) => found(each.name)).sort(byName).map((each) => ({ key: each.name, item: each }));
  }
  return state.changes.filter((each) => found(`${each.type} ${each.name} ${each.kind}`)).toReversed()
    .map((each) => ({ key: String(each.number), item: each }));
}

// By code point: comparing as people write their languages takes ten times as long.
const inOrder = (one, other) => (one < other ? -1 : one > other ? 1 : 0);
const byName = (one, other) => inOrder(one.name, other.name);

function rowOf({ key, item }) {
  const what = (name, more) => element("span", { class: "what" }, element("span", { class: "name" }, name), element("span", { class: "more" }, more));
  const side = (text) => element("span", { class: "side" }, text);
  const parts = {
    clients: () => [badge(item.state), what(item.node.id || "(without id)", clientLine(item)), side(item.transport)],
    resources: () => [what(item.name, item.version), side(`${item.size.toLocaleString("en")} B`)],
    changes: () => [badge(item.kind), what(item.name, item.type), side(clock(item.time))],
  }[state.view.name];
  const row = element("div", { class: "row", role: "option", id: `row-${key}`, "aria-selected": String(key === state.view.key) }, ...parts());
  row.dataset.key = key;
  return row;
}

function clientLine(item) {
  const bad = item.types.filter((each) => each.state !== "synced").map((each) => `${each.type} ${each.state}`);
  return [item.address, item.node.cluster, bad.join(", ") || counted(item.types.length, "type")].filter(Boolean).join(" · ");
}

const counted = (number, what) => `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;

const clock = (time) => new Date(time).toLocaleTimeString("en-GB");

let listed = [];

function drawList() {
  const { name, type } = state.view;
  if (name === "resources") {
    const options = state.types.map((each) => [each.type, `${each.type} (${of(each.type).size})`]);
    if (!type && state.types.length) state.view.type = (state.types.find((each) => of(each.type).size) ?? state.types[0]).type;
    fill(byId("type"), options, state.view.type);
  }
  byId("type").hidden = name !== "resources";
  byId("list-title").textContent = name;
  listed = entries();
  byId("shown").textContent = `${listed.length.toLocaleString("en")}`;
  byId("sizer").style.height = `${listed.length * ROW}px`;
  drawRows();
}

function drawRows() {
  const list = byId("list");
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
  const rows = listed.slice(first, first + Math.ceil(list.clientHeight / ROW) + 10);
  byId("rows").style.top = `${first * ROW}px`;
  const none = { clients: "no client is connected", resources: "nothing of this type", changes: "nothing has changed since this page was opened" };
  byId("rows").replaceChildren(
    ...(listed.length ? rows.map(rowOf) : [element("p", { class: "empty" }, state.search ? "nothing is called so" : none[state.view.name])]),
  );
  const active = listed.find((each) => each.key === state.view.key);
  if (active) list.setAttribute("aria-activedescendant", `row-${active.key}`);
  else list.removeAttribute("aria-activedescendant");
}

function open(key) {
  const { name, type } = state.view;
  go(name === "resources" ? linkTo(name, type, key) : linkTo(name, key));
}

function drawDetail() {
  const { name, type, key } = state.view;
  const detail = byId("detail");
  const content = { clients: clientDetail, resources: resourceDetail, changes: changeDetail }[name];
  const shows = key ? content(key, type) : { text: "", make: () => [element("p", { class: "empty" }, "choose one on the left")] };
  replaceWhenChanged(detail, [name, type, key, shows.text], shows.make);
}

// --- details: what they show as data, and how

function clientDetail(key) {
  const it = state.clients.get(key);
  const rows = [...(state.client?.rows.values() ?? [])].filter((each) => each.state !== "synced")
    .sort((one, other) => (one.state === "rejected" ? -1 : 0) - (other.state === "rejected" ? -1 : 0) || byName(one, other));
  const synced = (state.client?.rows.size ?? 0) - rows.length;
  return { text: [it, rows.slice(0, 500), rows.length, synced, state.client?.connected], make: () => {
    if (!it) return [element("h2", {}, key), element("p", { class: "facts" }, "is not connected")];
    const facts = [it.address, it.transport, it.node.cluster && `cluster ${it.node.cluster}`, it.group && `group ${it.group}`,
      [it.node.region, it.node.zone, it.node.sub_zone].filter(Boolean).join("/"), `since ${clock(it.since)}`, `heard ${clock(it.heard)}`];
    return [
      element("h2", {}, it.node.id || "(without id)", " ", badge(it.state)),
      element("p", { class: "facts" }, facts.filter(Boolean).join(" · ")),
      table(["type", "state", "asks for", "on their way", "what is wrong"], it.types.map((each) => [
        element("a", { href: linkTo("resources", each.type) }, each.type), badge(each.state),
        [each.all && "all", each.names && `${each.names} by name`].filter(Boolean).join(", ") || "nothing",
        each.behind ? "more to send" : each.unacknowledged || "", wrong(each),
      ])),
      element("h3", {}, "What it has against what it should have"),
      element("p", { class: "facts" }, `of ${counted(synced + rows.length, "resource")} ${rows.length ? `${rows.length.toLocaleString("en")} differ` : "none differs"}`),
      ...(rows.length ? [table(["resource", "state", "has", "should have", "why"], rows.slice(0, 500).map((each) => [
        element("a", { href: linkTo("resources", each.type, each.name) }, `${each.type} ${each.name}`), badge(each.state),
        each.has ?? "nothing", each.version ?? "nothing", each.error ? element("span", { class: "error" }, each.error) : each.waits ?? "",
      ]))] : []),
    ];
  } };
}

function wrong(each) {
  const lines = [...(each.rejected ?? []).map((one) => element("p", { class: "error" }, `${one.name}: ${one.error}`)),
    ...(each.held ?? []).map((one) => element("p", { class: "held" }, one.why))];
  const more = (each.rejections ?? 0) + (each.holds ?? 0) - lines.length;
  return element("div", {}, ...lines, more > 0 ? `and ${more} more` : null);
}

function table(heads, rows) {
  return element("table", {}, element("thead", {}, element("tr", {}, ...heads.map((each) => element("th", { scope: "col" }, each)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((each) => element("td", {}, each))))));
}

function resourceDetail(key, type) {
  const it = of(type).get(key);
  const body = state.body?.name === key ? state.body : null;
  const refers = it?.refers_to ?? [];
  const referred = referrers(type, key);
  return { text: [it?.version, body, refers, referred], make: () => {
    if (!it) return [element("h2", {}, key), element("p", { class: "facts" }, `there is nothing of this name among ${type}`)];
    const facts = [type, `version ${it.version}`, `${it.size.toLocaleString("en")} bytes`, it.ttl && `lives for ${it.ttl} s`,
      it.aliases && `also ${it.aliases.join(", ")}`];
    return [
      element("h2", {}, key),
      element("p", { class: "facts" }, facts.filter(Boolean).join(" · ")),
      ...links("refers to", refers), ...links("is referred to by", referred),
      element("h3", {}, "Content"),
      body?.body ? code(yaml(body.body).map((line) => [" ", line])) : element("p", { class: "facts" }, body?.withheld ? `not shown: ${body.withheld}` : "…"),
    ];
  } };
}

function referrers(type, key) {
  const found = [];
  for (const [from, there] of state.resources) {
    for (const each of there.values()) {
      if (each.refers_to?.some(([to, name]) => to === type && name === key)) found.push([from, each.name]);
    }
  }
  return found;
}

function links(title, pairs) {
  if (!pairs.length) return [];
  const items = pairs.slice(0, 100).map(([type, name]) =>
    element("li", {}, element("a", { href: linkTo("resources", type, name) }, `${type} ${name}`), of(type).has(name) ? null : " (which is not here)"));
  return [element("h3", {}, `${title} ${pairs.length > 100 ? `${pairs.length}, of which these` : ""}`), element("ul", { class: "links" }, ...items)];
}

function changeDetail(key) {
  const it = state.changes.find((each) => String(each.number) === key);
  return { text: it?.number, make: () => {
    if (!it) return [element("p", { class: "empty" }, "this change is forgotten")];
    const lines = (each) => (each?.body ? yaml(each.body) : each?.withheld ? [`# not shown: ${each.withheld}`] : []);
    return [
      element("h2", {}, element("a", { href: linkTo("resources", it.type, it.name) }, it.name), " ", badge(it.kind)),
      element("p", { class: "facts" }, [it.type, clock(it.time), it.label, `${it.before?.version ?? "nothing"} → ${it.after?.version ?? "nothing"}`].filter(Boolean).join(" · ")),
      code(folded(difference(lines(it.before), lines(it.after)))),
    ];
  } };
}

function code(marked) {
  const kinds = { "+": "line plus", "-": "line minus", "…": "line skipped", " ": "line" };
  return element("pre", { tabindex: "0" }, ...marked.map(([mark, text]) => element("span", { class: kinds[mark] }, mark === "…" ? text : `${mark} ${text}`)));
}

// --- text

// The lines of a value as YAML.
function yaml(value, indent = "") {
  if (Array.isArray(value)) {
    return value.flatMap((each) => {
      if (!isNested(each)) return [`${indent}- ${scalar(each)}`];
      const [head, ...rest] = yaml(each, `${indent}  `);
      return [`${indent}- ${head.trimStart()}`, ...rest];
    });
  }
  return Object.entries(value).flatMap(([key, each]) =>
    isNested(each) ? [`${indent}${scalar(key)}:`, ...yaml(each, Array.isArray(each) ? indent : `${indent}  `)] : [`${indent}${scalar(key)}: ${scalar(each)}`]);
}

const isNested = (value) => value !== null && typeof value === "object" && Object.keys(value).length > 0;

function scalar(value) {
  if (typeof value !== "string") return JSON.stringify(value);
  const plain = /^([A-Za-z_/.$][\w ./$:-]*|\d+(\.\d+)?s)$/.test(value) && !/:( |$)| $|^(true|false|null|yes|no|on|off|y|n|~)$/i.test(value);
  return plain ? value : JSON.stringify(value);
}

// What becomes of `before`: [mark, line], by the longest common subsequence.
function difference(before, after) {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  while (end < before.length - start && end < after.length - start && before.at(-1 - end) === after.at(-1 - end)) end++;
  const one = before.slice(start, before.length - end);
  const other = after.slice(start, after.length - end);
  const same = (lines) => lines.map((line) => [" ", line]);
  return [...same(before.slice(0, start)), ...changed(one, other), ...same(before.slice(before.length - end))];
}

function changed(one, other) {
  if (one.length > MOST_LINES || other.length > MOST_LINES) return [...one.map((line) => ["-", line]), ...other.map((line) => ["+", line])];
  const common = Array.from({ length: one.length + 1 }, () => new Uint16Array(other.length + 1));
  for (let i = one.length - 1; i >= 0; i--) {
    for (let j = other.length - 1; j >= 0; j--) {
      common[i][j] = one[i] === other[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
    }
  }
  const marked = [];
  for (let i = 0, j = 0; i < one.length || j < other.length;) {
    if (i < one.length && j < other.length && one[i] === other[j]) { marked.push([" ", one[i]]); i++; j++; }
    else if (i < one.length && (j >= other.length || common[i + 1][j] >= common[i][j + 1])) marked.push(["-", one[i++]]);
    else marked.push(["+", other[j++]]);
  }
  return marked;
}

// Without what is far from any change.
function folded(marked, near = 3) {
  const keep = marked.map((_, place) => marked.slice(Math.max(0, place - near), place + near + 1).some(([mark]) => mark !== " "));
  const told = [];
  for (let place = 0, skipped = 0; place <= marked.length; place++) {
    if (place < marked.length && !keep[place]) { skipped++; continue; }
    if (skipped) told.push(["…", `… ${skipped} lines as before`]);
    skipped = 0;
    if (place < marked.length) told.push(marked[place]);
  }
  return told;
}

// --- what is clicked and typed

byId("list").addEventListener("scroll", drawRows, { passive: true });
byId("list").addEventListener("click", (event) => {
  const row = event.target.closest(".row");
  if (row) open(row.dataset.key);
});
byId("list").addEventListener("keydown", (event) => {
  const place = listed.findIndex((each) => each.key === state.view.key);
  const page = Math.max(1, Math.floor(byId("list").clientHeight / ROW) - 1);
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
  if (event.key === "Enter") byId("detail").focus();
  if (!(event.key in steps) || !listed.length) return;
  event.preventDefault();
  const next = Math.min(listed.length - 1, Math.max(0, (place < 0 ? -1 : place) + steps[event.key]));
  const list = byId("list");
  list.scrollTop = Math.min(next * ROW, Math.max(list.scrollTop, (next + 1) * ROW - list.clientHeight));
  open(listed[next].key);
});
byId("search").addEventListener("input", (event) => { state.search = event.target.value; byId("list").scrollTop = 0; draw(); });
byId("type").addEventListener("change", (event) => { byId("list").scrollTop = 0; go(linkTo("resources", event.target.value)); });
byId("group").addEventListener("change", (event) => {
  for (const { type } of state.types) say({ message: "unsubscribe", id: `all ${type}` });
  state.group = event.target.value;
  state.resources.clear();
  for (const { type, type_url } of state.types) follow(type, type_url);
  choose();
  draw();
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && event.target === byId("search")) { byId("search").value = state.search = ""; byId("list").focus(); draw(); }
  if (event.target.closest("input, select, textarea")) return;
  if (event.key === "/") { event.preventDefault(); byId("search").focus(); }
  const view = { 1: "clients", 2: "resources", 3: "changes" }[event.key];
  if (view) { go(linkTo(view)); byId("list").focus(); }
});
addEventListener("hashchange", route);
addEventListener("resize", draw);

route();
connect();
