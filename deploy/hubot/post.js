// Asks grafana-images to save a panel.
//
// SPDX-License-Identifier: Apache-2.0
'use strict';

const { outcomeOf } = require('./sentences');

const REPLY_BYTES = 65536;
const ADDRESS = /^https?:\/\/[\x21-\x7e]{1,2040}$/i;

// It is shown in chats, some of which make HTML or Markdown of it.
const usable = (address, token) =>
  typeof address === 'string' && ADDRESS.test(address) && !/["'<>\\`]/.test(address) &&
  !(token && address.includes(token));

const readText = async (reply) => {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of reply.body ?? []) {
    bytes += chunk.length;
    if (bytes > REPLY_BYTES) break; // closes the connection, too
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
};

const parse = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** Resolves to { pubImg, panel } or to { outcome, detail }, within `seconds`; never rejects. */
module.exports = async (base, token, imageUrl, seconds) => {
  // fetch would quote it in its error.
  if (token && /[^\x21-\x7e]/.test(token)) return { outcome: 'bad-token' };
  const ends = Date.now() + seconds * 1000;
  const signal = AbortSignal.timeout(seconds * 1000);
  try {
    for (let tries = 1; ; tries += 1) {
      const reply = await fetch(`${base}/grafana-images`, {
        method: 'POST',
        redirect: 'manual', // else fetch asks again with GET, which only hides the wrong address
        signal,
        headers: {
          'Content-Type': 'application/json',
          Accept: 'application/json',
          ...(token && { Authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify({ imageUrl }),
      });
      const { status } = reply;
      const text = await readText(reply);
      const json = parse(text);
      if (status === 200) {
        if (json === undefined) return { outcome: 'not-json' };
        if (!usable(json?.pubImg, token)) return { outcome: 'no-address' };
        return { pubImg: json.pubImg, panel: usable(json.panel, token) ? json.panel : null };
      }
      const wait = parseInt(reply.headers.get('retry-after'), 10) * 1000;
      // Once, and only if the second try gets at least as long as the wait takes.
      if (tries === 1 && (status === 503 || status === 429) && wait <= (ends - Date.now()) / 2) {
        await new Promise((resolve) => setTimeout(resolve, wait));
        continue;
      }
      const outcome = outcomeOf(status, json?.outcome ?? /^[a-z-]+/.exec(text)?.[0]);
      return { outcome, detail: `HTTP ${status}, ${json?.detail ?? text}` };
    }
  } catch (err) {
    // Never err.message: it quotes addresses, and what was sent.
    return err.name === 'TimeoutError' ? { outcome: 'late', detail: `${seconds} s` }
      : { outcome: 'unreachable', detail: err.cause?.code ?? err.cause?.message ?? err.name };
  }
};
