// The dashboard: signs in, follows the node, shows one list at a time.

import * as api from "./api.js";
import { byId, createElement, showText } from "./shared/dom.js";
import { duration, gibibytes } from "./format.js";
import { LISTS, columnsOf, entriesOf, includes, patientOf } from "./lists.js";

const POLL_MS = 2000;

const context = {
  role: "viewer", viewer: "", identities: new Map(), showLog, act,
};
let current = LISTS[0], after = null, shown = "", state = null, timer = 0, found = [], wanted = "";

async function start() {
  try {
    const session = await api.session();
    Object.assign(context, { role: session.role, viewer: session.viewer });
    byId("version").textContent = session.version;
    byId("user").textContent = `${session.name}, ${session.role}`;
    showSignIn(false);
    makeTabs();
    await refresh();
  } catch (error) {
    if (error.status === 401) showSignIn(true);
    else showText("error", error.message);
    if (error.status !== 401) timer = setTimeout(start, POLL_MS);
  }
}

function showSignIn(isShown) {
  byId("sign-in").hidden = !isShown;
  byId("content").hidden = isShown;
  byId("sign-out").hidden = isShown;
  byId("suspend").hidden = isShown || !includes(context.role, "operator");
  if (isShown) {
    byId("user").textContent = "";
    context.identities.clear();
    byId("token").focus();
  }
}

byId("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await api.signIn(byId("token").value.trim());
    byId("token").value = "";
    showText("error", "");
    await start();
  } catch (error) {
    showText("error", error.message);
  }
});

byId("sign-out").addEventListener("click", async () => {
  clearTimeout(timer);
  await api.signOut().catch(() => null);
  location.reload();
});

byId("suspend").addEventListener("click", () => act(() => api.suspend(!state.suspended))());

// What is asked, and shown, again and again.
async function refresh() {
  clearTimeout(timer);
  try {
    state = await api.status();
    showState();
    await showRunning();
    await showList();
    if (byId("error").dataset.from === "refresh") showText("error", "");
  } catch (error) {
    if (error.status === 401) return showSignIn(true);
    showText("error", error.message);
    byId("error").dataset.from = "refresh";
  }
  timer = setTimeout(refresh, POLL_MS);
}

function showState() {
  const paused = state.suspended ? "Suspended: no patient is taken until someone resumes." : state.paused ? "Paused: no patient is taken." : "";
  const problems = state.problems.filter((one) => !(state.suspended && one === state.paused));
  byId("working").textContent = paused || (problems.length ? "Working, with problems." : "Working: patients are taken.");
  byId("working").classList.toggle("warning", Boolean(paused || problems.length));
  const text = problems.join("\n");
  if (byId("problems").dataset.text !== text) {
    byId("problems").dataset.text = text;
    byId("problems").replaceChildren(...problems.map((one) => createElement("li", { textContent: one })));
  }
  byId("disk").textContent = `${gibibytes(state.free_bytes)} free for the data of the node; below ${gibibytes(state.min_free_bytes)} it pauses.`;
  byId("suspend").textContent = state.suspended ? "Resume" : "Suspend";
  for (const list of LISTS) {
    const count = byId(`count-${list.id}`);
    if (count && list.count) count.textContent = ` ${list.count(state)}`;
  }
}

async function showRunning() {
  const answer = await api.list("/fusions?state=queued&most=100");
  const running = answer.fusions.filter((one) => one.progress);
  await learnIdentities(running);
  byId("none-running").hidden = running.length > 0;
  byId("running").replaceChildren(...running.map(runningItem));
}

function runningItem({ number, patient, rule, progress }) {
  const bar = createElement("progress", { max: 1, ariaLabel: `Progress of fusion ${number}` });
  if (progress.fraction !== null) bar.value = progress.fraction;
  const part = progress.fraction === null ? "" : ` ${Math.round(progress.fraction * 100)} %`;
  const who = patient ? [" ", patientOf(patient, context)].flat() : [];
  return createElement(
    "li", {},
    createElement("span", {}, `${number} ${rule}`, ...who),
    bar,
    createElement("span", { className: "quiet", textContent: progress.stage + part }),
    createElement("span", { className: "quiet", textContent: duration(progress.seconds) }),
  );
}

// Names and IDs are asked for once, and kept in this window alone.
async function learnIdentities(entries) {
  if (!includes(context.role, "operator")) return;
  const unknown = entries.map((one) => one.patient).filter((one) => one && !context.identities.has(one));
  if (!unknown.length) return;
  try {
    for (const one of await api.identities([...new Set(unknown)])) context.identities.set(one.patient, one);
  } catch {
    // the Orthanc does not answer: its problem is shown, and it is asked again
  }
}

async function showList() {
  const list = current;
  const answer = list.kind === "found" ? found : await api.list(list.path, after);
  const entries = entriesOf(list.kind, answer);
  await learnIdentities(entries);
  if (list !== current) return;
  const text = JSON.stringify([list.id, entries, entries.map((one) => context.identities.get(one.patient))]);
  byId("more").hidden = !answer.next;
  byId("more").onclick = () => step(answer.next);
  byId("first").hidden = after === null;
  if (text === shown) return;
  shown = text;
  showText("hint", list.hint ?? "");
  byId("search").hidden = list.kind !== "found";
  showText("empty", entries.length ? "" : list.empty);
  showTable(columnsOf(list.kind, context), entries);
}

function showTable(columns, entries) {
  const focused = document.activeElement?.dataset?.key;
  const [head] = byId("table").tHead.children.length ? byId("table").tHead.rows : [byId("table").tHead.insertRow()];
  head.replaceChildren(...columns.map(([title]) => createElement("th", { scope: "col", textContent: title })));
  byId("table").hidden = !entries.length;
  byId("table").tBodies[0].replaceChildren(...entries.map((entry) => row(columns, entry)));
  if (focused) document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function row(columns, entry) {
  const cells = columns.map(([title, name, content]) => {
    const cell = createElement("td", { className: name }, createElement("div", {}, ...[content(entry)].flat()));
    cell.dataset.label = title;
    return cell;
  });
  return createElement("tr", {}, ...cells);
}

function step(next) {
  after = next;
  return refresh();
}

byId("first").addEventListener("click", () => step(null));

byId("search").addEventListener("submit", async (event) => {
  event.preventDefault();
  wanted = byId("wanted").value.trim();
  current.empty = "The Orthanc has no such patient.";
  await act(async () => null)();
});

function makeTabs() {
  const tabs = LISTS.filter((list) => includes(context.role, list.role)).map((list) => {
    const tab = createElement("button", { type: "button", id: `tab-${list.id}`, role: "tab", onclick: () => choose(list) }, list.title);
    tab.setAttribute("aria-controls", "panel");
    if (list.count) tab.append(createElement("span", { id: `count-${list.id}` }));
    return tab;
  });
  byId("tabs").replaceChildren(...tabs);
  byId("tabs").onkeydown = (event) => {
    const to = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!to) return;
    const next = tabs[(tabs.indexOf(document.activeElement) + to + tabs.length) % tabs.length];
    next.focus();
    next.click();
  };
  markTab();
}

function markTab() {
  for (const tab of byId("tabs").children) {
    const isChosen = tab.id === `tab-${current.id}`;
    tab.setAttribute("aria-selected", String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
  }
  byId("panel").setAttribute("aria-labelledby", `tab-${current.id}`);
}

function choose(list) {
  current = list;
  after = null;
  shown = "";
  markTab();
  return refresh();
}

// A handler that asks where it is to be confirmed, acts, and shows the result or why not.
function act(action, question) {
  return async () => {
    if (question && !confirm(question)) return;
    showText("error", "");
    byId("error").dataset.from = "action";
    try {
      await action();
      if (current.kind === "found" && wanted) found = await api.search(wanted);
    } catch (error) {
      showText("error", error.message);
    }
    shown = "";
    await refresh();
  };
}

async function showLog(number) {
  try {
    byId("log-text").textContent = await api.log(number);
  } catch (error) {
    return showText("error", error.message);
  }
  byId("log-title").textContent = `Log of fusion ${number}`;
  byId("log").showModal();
}

start();
