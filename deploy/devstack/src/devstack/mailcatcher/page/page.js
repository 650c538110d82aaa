// The catcher's page: a list that stays fresh by server-sent events, and one mail. All text from mails goes in as text.
const $ = (selector, root = document) => root.querySelector(selector);
const VIEWS = ["html", "text", "headers", "source"];
const list = $("#list"), article = $("#mail"), search = $("#search"), live = $("#live");
let shown = "", drawn = 0;

const stamp = (template) => $(template).content.cloneNode(true);
const json = async (path, options) => (await fetch(path, options)).json();
const when = (moment) => {
  const date = new Date(moment), today = date.toDateString() === new Date().toDateString();
  return date.toLocaleString("en-GB", today ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" });
};

function place() {
  const [id = "", view = ""] = location.hash.slice(1).split("/");
  return { id, view };
}

async function refresh() {
  const turn = ++drawn;
  const { mails } = await json(`/api/mails?search=${encodeURIComponent(search.value.trim())}`);
  if (turn !== drawn) return; // a later answer is on the page already
  list.replaceChildren(...mails.map(row));
  $("#count").textContent = `${mails.length}${mails.length === 1000 ? " newest" : ""} mail${mails.length === 1 ? "" : "s"}`;
  document.title = `(${mails.length}) Mail · NeoForge`;
  mark();
  if (!place().id) nothing(mails.length
    ? ["Choose a mail", "The newest stands at the top of the list."]
    : search.value
      ? ["Nothing found", "No kept mail has this in its subject or among its recipients."]
      : ["No mail yet", "Whatever the stack sends is caught here and delivered to nobody. It appears by itself."]);
}

function row(mail) {
  const node = stamp("#row");
  $("a", node).href = `#${mail.id}`;
  $("a", node).dataset.id = mail.id;
  $(".to", node).textContent = mail.to.join(", ");
  $(".subject", node).textContent = mail.subject || "(no subject)";
  $("time", node).textContent = when(mail.received_at);
  $("time", node).dateTime = mail.received_at;
  if (mail.deliveries > 1) {
    $(".again", node).hidden = false;
    $(".again", node).textContent = `${mail.deliveries}×`;
    $(".again", node).title = `delivered ${mail.deliveries} times under one Message-ID`;
  }
  return node;
}

function mark() {
  for (const link of list.querySelectorAll("a")) {
    if (link.dataset.id === place().id) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

function nothing([title, text]) {
  shown = "";
  const node = stamp("#nothing");
  $("h2", node).textContent = title;
  $("p", node).textContent = text;
  article.replaceChildren(node);
}

async function show() {
  mark();
  const { id, view } = place();
  if (!/^\d+$/.test(id)) return refresh();
  if (shown === location.hash) return;
  shown = location.hash;
  const answer = await fetch(`/api/mails/${id}`);
  if (!answer.ok) return nothing(["This mail is gone", "It was deleted, or pushed out by newer ones."]);
  const mail = await answer.json();
  const current = VIEWS.includes(view) ? view : mail.html ? "html" : "text";
  const node = stamp("#shown");
  const field = (name) => (mail.headers.find(([header]) => header.toLowerCase() === name) || [])[1] || "";
  $(".subject", node).textContent = mail.subject || "(no subject)";
  $(".from", node).append(...person(field("from") || mail.from));
  $(".to", node).append(...person(field("to") || mail.to.join(", ")));
  $("time", node).textContent = new Date(mail.received_at).toLocaleString("en-GB", { dateStyle: "full", timeStyle: "medium" });
  if (mail.deliveries > 1) $(".again", node).textContent = `${mail.deliveries}, the same to the byte under one Message-ID`;
  else { $(".again", node).hidden = true; $(".again-name", node).hidden = true; }
  mail.attachments.forEach((part, i) => {
    const item = document.createElement("li"), link = document.createElement("a");
    link.href = `/api/mails/${id}/attachments/${i}`;
    link.textContent = `📎 ${part.name} · ${part.size.toLocaleString("en")} bytes`;
    link.dir = "auto";
    item.append(link);
    $(".attachments", node).append(item);
  });
  for (const tab of node.querySelectorAll("[role=tab]")) {
    const its = tab.dataset.view;
    tab.href = `#${id}/${its}`;
    tab.setAttribute("aria-selected", String(its === current));
    if (mail[its] === null) tab.hidden = true;
  }
  $(".view", node).append(await content(current, id, mail));
  article.replaceChildren(node);
}

// A name keeps its own direction, and its address stands behind it all the same.
function person(text) {
  const [, name, address] = text.match(/^(.*\S)\s*(<[^<>]*>)$/) || [null, text, ""];
  const own = document.createElement("bdi");
  own.textContent = name;
  return [own, ` ${address}`];
}

async function content(view, id, mail) {
  if (view === "html" && mail.html) {
    const frame = document.createElement("iframe");
    frame.title = "The mail's HTML";
    frame.setAttribute("sandbox", "allow-popups allow-popups-to-escape-sandbox");
    frame.src = `/api/mails/${id}/html`;
    return frame;
  }
  if (view === "headers") {
    const table = document.createElement("table");
    for (const [name, value] of mail.headers) {
      const line = table.insertRow(), head = document.createElement("th"), cell = document.createElement("td");
      head.textContent = name;
      head.scope = "row";
      cell.textContent = value;
      cell.dir = "auto";
      line.append(head, cell);
    }
    return table;
  }
  const text = document.createElement("pre");
  text.className = view;
  text.textContent = view === "source" ? await (await fetch(`/api/mails/${id}/source`)).text() : mail.text ?? "";
  return text;
}

$("#clear").addEventListener("click", async () => {
  if (!confirm("Delete all kept mails?")) return;
  await fetch("/api/mails", { method: "DELETE" });
  location.hash = "";
});
search.addEventListener("input", refresh);
addEventListener("hashchange", show);
const events = new EventSource("/api/events");
events.onmessage = refresh;
events.onopen = () => { live.textContent = "live"; live.dataset.on = ""; };
events.onerror = () => { live.textContent = "reconnecting"; delete live.dataset.on; };
await refresh();
await show();
