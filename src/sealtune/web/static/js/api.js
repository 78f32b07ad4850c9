/** Talk to the server: read, follow, and press its two buttons. */

const POLL_MS = 5000;
const RETRY_MS = 30000;

let self = null;

/** An answer of the server that is no success; `message` says what to do. */
export class Refused extends Error {
  constructor(status, body) {
    super([body.error, body.fix].filter(Boolean).join(" ") || `The server answered ${status}.`);
    this.status = status;
  }
}

/** Read one address as JSON. */
export async function read(address) {
  return answer(await fetch(address, { headers: { Accept: "application/json" } }));
}

async function answer(response) {
  let body = {};
  try {
    body = await response.json();
  } catch {
    // an error page without JSON; its status says enough
  }
  if (!response.ok) throw new Refused(response.status, body);
  return body;
}

/** Ask the server to change something; the token is fetched anew once if it was refused. */
export async function post(address, body) {
  for (const last of [false, true]) {
    self ??= await read("/api/self");
    try {
      const headers = { "Content-Type": "application/json", "X-CSRF-Token": self.csrf };
      return await answer(await fetch(address, { method: "POST", headers, body: JSON.stringify(body) }));
    } catch (error) {
      if (last || !(error instanceof Refused) || ![401, 403].includes(error.status)) throw error;
      self = null;
    }
  }
  throw new Error("unreachable");
}

/**
 * Follow a stream of events; when the server has none to spare, ask every five seconds instead.
 *
 * @param address of the stream
 * @param events name of each event to what is done with its data
 * @param poll reads what the stream would have said: address and the event it stands for
 * @param onState told "live" or "lost"
 * @returns a function that ends it
 */
export function follow(address, events, poll, onState) {
  let source = null;
  let timer = null;
  let ended = false;

  function open() {
    source = new EventSource(address);
    source.onopen = () => onState("live");
    for (const [name, take] of Object.entries(events)) {
      source.addEventListener(name, (event) => {
        take(JSON.parse(event.data));
        onState("live");
      });
    }
    source.onerror = () => {
      if (ended) return;
      onState("lost");
      if (source.readyState === EventSource.CLOSED) fallBack(Date.now() + RETRY_MS);
    };
  }

  async function fallBack(until) {
    try {
      const data = await read(poll.address);
      if (ended) return;
      events[poll.event](data);
      onState("live");
    } catch (error) {
      if (ended) return;
      onState("lost", error instanceof Refused ? error.message : "");
    }
    timer = setTimeout(() => (Date.now() < until ? fallBack(until) : open()), POLL_MS);
  }

  open();
  return () => {
    ended = true;
    source.close();
    clearTimeout(timer);
  };
}
