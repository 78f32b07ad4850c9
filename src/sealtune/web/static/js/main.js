/** The page: finds its session, follows it, and hands each snapshot to the parts that draw. */

import { connectActions, drawActions } from "./actions.js";
import { follow, read } from "./api.js";
import { drawCurve } from "./curve.js";
import { byId, setText, show } from "./dom.js";
import { percent } from "./format.js";
import { drawImportance } from "./importance.js";
import { drawGuard, drawNotes } from "./log.js";
import { drawPairs } from "./pairs.js";
import { drawParallel } from "./parallel.js";
import { drawParameters } from "./parameters.js";
import { drawPlan } from "./plan.js";
import { curveRuns } from "./runs.js";
import { drawSessions } from "./sessions.js";
import { drawSteps, isOver, tick } from "./steps.js";
import { drawSystem } from "./system.js";
import { drawVerdict } from "./verdict.js";

const named = /^\/session\/([^/]+)$/.exec(location.pathname)?.[1];
const asked = named === "last" ? null : named; // the last one may not have begun yet
let followed = null; // id of the session on this page
let leave = () => {};
let snapshot = null;
let unseen = null; // came while the page was hidden
let sessions = [];
let connection = "connecting";

/** A snapshot has come; on a hidden page it is drawn only when somebody looks again. */
function take(next) {
  document.title = pageTitle(next);
  unseen = document.hidden ? next : null;
  if (!unseen) draw(next);
}

document.addEventListener("visibilitychange", () => !document.hidden && unseen && take(unseen));

function draw(next) {
  const before = snapshot;
  snapshot = next;
  show(byId("simulated"), snapshot.simulated);
  drawPlan(snapshot);
  drawVerdict(snapshot);
  drawSteps(snapshot);
  drawActions(snapshot);
  drawCurve(curveRuns(snapshot));
  drawPairs(snapshot);
  drawParameters(snapshot);
  drawParallel(snapshot);
  drawImportance(snapshot);
  drawSystem(snapshot);
  drawGuard(snapshot);
  drawNotes(snapshot);
  if (!before || before.id !== snapshot.id) drawSessions(sessions, snapshot.id);
  else if (before.state !== snapshot.state) {
    announce(snapshot.verdict?.sentence || snapshot.state_title);
  }
}

function pageTitle({ state, best, verdict, workload, simulated }) {
  const outcome = verdict ? verdict.verdict : `${state}${best ? ` ${percent(best.ratio)}` : ""}`;
  return `${simulated ? "SIMULATED " : ""}${outcome}: ${workload} · sealtune`;
}

function announce(text) {
  setText(byId("announce"), text);
}

/** What the kernel says now changed, and nothing else did. */
function live(news) {
  const latest = unseen ?? snapshot;
  if (!latest || news.id !== latest.id) return;
  const said = news.parameters ?? {};
  const now = (one) => (one.name in said ? { ...one, now: said[one.name] } : one);
  const guard = { ...latest.guard, held: news.held ?? latest.guard.held };
  const remaining = news.remaining_seconds ?? latest.remaining_seconds;
  const parameters = latest.parameters.map(now);
  const next = { ...latest, parameters, guard, remaining_seconds: remaining };
  if (unseen) {
    unseen = next;
    return;
  }
  snapshot = next;
  drawParameters(snapshot);
  drawGuard(snapshot);
  drawSteps(snapshot);
}

function followSession(id) {
  if (id === followed) return;
  leave();
  followed = id;
  const address = `/api/sessions/${encodeURIComponent(id)}`;
  leave = follow(`${address}/events`, { snapshot: take, live }, { address, event: "snapshot" }, connected);
}

const LOST =
  "The connection to sealtune is lost. What is shown here is not up to date; it goes on by itself " +
  "when the dashboard answers again.";
const SAID = { connecting: "connecting", live: "connected", lost: "connection lost, trying again" };

function connected(state, reason = "") {
  const text = state === "live" && snapshot && !isOver(snapshot.state) ? "live" : SAID[state];
  byId("connection").dataset.state = state;
  setText(byId("connection").lastElementChild, text);
  show(byId("trouble"), state === "lost");
  if (state === "lost") setText(byId("trouble"), reason || LOST);
  if (state === connection) return;
  if (connection === "lost") announce("Connected again.");
  if (state === "lost") announce("Connection lost.");
  connection = state;
}

/** Without a session in the address, the page follows the one that the server calls the last. */
async function listed(list) {
  const newest = sessions[0]?.id;
  sessions = list.sessions;
  drawSessions(sessions, snapshot?.id);
  if (asked || !sessions.length || sessions[0].id === newest) return;
  try {
    followSession((await read("/api/sessions/last")).id);
  } catch (error) {
    const waits = error.status === 404;
    setText(byId("title"), waits ? "Waiting for the session" : "No session can be shown");
    setText(byId("subtitle"), waits ? "It has not begun yet; it appears here by itself." : error.message);
  }
}

async function open() {
  connectActions();
  if (asked) {
    try {
      followSession((await read(`/api/sessions/${asked}`)).id);
    } catch (error) {
      setText(byId("title"), "This session cannot be shown");
      setText(byId("subtitle"), error.message);
    }
  }
  const quiet = (state, reason) => (followed ? undefined : connected(state, reason));
  follow("/api/events", { sessions: listed }, { address: "/api/sessions", event: "sessions" }, quiet);
  setInterval(() => snapshot && tick(snapshot), 1000);
}

open();
