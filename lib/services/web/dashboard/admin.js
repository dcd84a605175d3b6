// The operator's part: the session, the dialogs, the actions and their outcomes.

import { $, el, mark, root, say } from "./elements.js";
import { at } from "./server.js";

/** Milliseconds that an answer may take; on a dead connection none would ever come. */
const ANSWER_MS = 10_000;
const TOAST_MS = 12_000;

/** The connection's `isLocked()` and `lock(isLocked)`. */
let connection;

/** Shows a sentence for a while. */
export function toast(text, isWrong = false) {
  const shut = el("button", { type: "button", "aria-label": "Dismiss" }, "×");
  const node = el("div", { class: "toast" }, el("p", {}, text), shut);
  if (isWrong) node.classList.add("wrong");
  const leave = () => (node.matches(":hover, :focus-within") ? later() : node.remove());
  const later = () => setTimeout(leave, TOAST_MS);
  shut.addEventListener("click", () => node.remove());
  $("toasts").append(node);
  while ($("toasts").childElementCount > 3) $("toasts").firstElementChild.remove();
  later();
}

/** @returns the status, 0 without an answer, the server's sentence, and all that it answered with where that is JSON */
export async function post(path, fields) {
  const headers = { "content-type": "application/json", "x-summoner-page": "1" };
  const signal = AbortSignal.timeout(ANSWER_MS);
  const body = JSON.stringify(fields);
  try {
    const answer = await fetch(at(path), { method: "POST", headers, body, signal });
    const text = (await answer.text()).trim();
    const isJson = answer.headers.get("content-type")?.startsWith("application/json");
    const told = isJson ? JSON.parse(text) : {};
    return { status: answer.status, said: isJson ? told.outcome : text, told };
  } catch {
    return { status: 0, said: "The server does not answer.", told: {} };
  }
}

/** What a path shows, or null where there is nothing (any more). @throws Error without an answer */
export async function ask(path) {
  const signal = AbortSignal.timeout(ANSWER_MS);
  const headers = { "x-summoner-page": "1" };
  const answer = await fetch(at(path), { headers, cache: "no-store", signal });
  if (answer.status === 401) await askSession();
  if (answer.ok) return answer.json();
  if (answer.status === 404) return null;
  throw new Error((await answer.text()).trim());
}

/** The end of the question for the token that is open: true once it is answered. */
let signedIn = null;

/** Asks for the token before something is done. @returns true once the page may act */
export function askToken(next) {
  signedIn?.resolve(false);
  signedIn = Promise.withResolvers();
  say($("sign-in-title"), next === null ? "Sign in to act" : "Sign in to do this");
  say(
    $("sign-in-next"),
    next ?? "With the server's token you may kick clients and change its course.",
  );
  openDialog("sign-in");
  return signedIn.promise;
}

/** Carries out an admin action. @returns `ok`, `said` and whatever else the server answers */
export async function perform(name, fields, next = null) {
  const signedOut = { ok: false, said: "you are not signed in." };
  if (root.dataset.admin === "signed-out" && !(await askToken(next))) return signedOut;
  const { status, said, told } = await post(`admin/${name}`, fields);
  if (status === 401) {
    await askSession();
    // The session has ended: whoever has the token goes on.
    return (await askToken(next)) ? perform(name, fields, next) : signedOut;
  }
  const done = status === 200;
  const sentence = said.charAt(0).toUpperCase() + said.slice(1);
  return { ...told, ok: done, said: done ? sentence : said };
}

/** Carries out an admin action and shows its outcome. @returns true if it was done */
export async function act(name, fields = {}, next = null) {
  const { ok, said } = await perform(name, fields, next);
  toast(ok ? said : `Not done: ${said}`, !ok);
  return ok;
}

/** Asks for the rights of this page; without the right to read, it shows the sign-in form alone. */
export async function askSession() {
  let session;
  try {
    const signal = AbortSignal.timeout(ANSWER_MS);
    session = await (await fetch(at("session"), { cache: "no-store", signal })).json();
  } catch {
    return;
  }
  mark(root, "data-admin", session.admin);
  $("log-level").disabled = session.admin !== "signed-in";
  if (session.read !== connection.isLocked()) return;
  showGate(!session.read);
  connection.lock(!session.read);
}

function showGate(isLocked) {
  $("gate").hidden = !isLocked;
  if (!isLocked) return;
  $("board").hidden = true;
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  $("gate").querySelector("[name=token]").focus();
}

async function signIn(event) {
  event.preventDefault();
  const form = event.target;
  const { status, said } = await post("login", { token: form.elements.token.value });
  const wrong = form.querySelector(".wrong");
  say(wrong, status === 204 ? "" : said);
  form.elements.token.value = "";
  if (status !== 204) return form.elements.token.focus();
  await askSession();
  const goesOn = signedIn;
  signedIn = null;
  form.closest("dialog")?.close();
  // The button that opened the dialog gets the focus back, and may be hidden by now.
  const { activeElement: back, body } = document;
  if (back === body || !back.checkVisibility()) $("server-menu").firstElementChild.focus();
  toast("Signed in.");
  goesOn?.resolve(root.dataset.admin === "signed-in");
}

async function signOut() {
  const { status, said } = await post("logout", {});
  toast(status === 204 ? "Signed out." : said, status !== 204);
  await askSession();
  if (!connection.isLocked()) $("sign-in-open").focus();
}

/** Opens a dialog. The focus goes back to where it was, or to the menu that has closed over that. */
export function openDialog(id) {
  const dialog = $(id);
  if (dialog.open) return;
  const from = document.activeElement;
  dialog.showModal();
  const goBack = () => {
    const { activeElement: back, body } = document;
    if (back === body || !back.checkVisibility())
      from.closest("details")?.firstElementChild.focus();
  };
  dialog.addEventListener("close", goBack, { once: true });
}

/** `wired` has the connection's `isLocked()` and `lock(isLocked)`. */
export function listenToActions(wired) {
  connection = wired;
  for (const form of document.querySelectorAll("[data-sign-in]")) {
    form.addEventListener("submit", signIn);
  }
  for (const button of document.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  $("sign-in").addEventListener("close", () => {
    signedIn?.resolve(false);
    signedIn = null;
  });
  $("sign-in-open").addEventListener("click", () => void askToken(null));
  $("sign-out").addEventListener("click", signOut);
  $("reload").addEventListener("click", () => act("reload"));
  $("drain-open").addEventListener("click", () => openDialog("drain"));
  $("drain-now").addEventListener("click", () => act("drain"));
  const menu = $("server-menu");
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    event.preventDefault();
    menu.open = false;
    menu.firstElementChild.focus();
  });
  document.addEventListener("click", ({ target }) => {
    if (!menu.contains(target) || target.closest("#server-menu button")) menu.open = false;
  });
}
