// SPDX-License-Identifier: Apache-2.0
//
// A chat for tests. stdin: a message a line, "ROOM<tab>TEXT" or "TEXT", where ROOM may be "ROOM#THREAD",
// "@PERSON" for a private message, or "@PERSON>ROOM" in chats that have a room for those;
// stdout: a JSON object for everything that the bot says. CAPTURE_NAME is the adapter's name, so that it plays Slack and others.
// CAPTURE_REFUSES=all: it takes no message. CAPTURE_WAITS_FOR: words of the listeners that have to
// be there before it reads. At the end of stdin the process ends by itself, once the
// bot has nothing left to do.
import { setTimeout } from 'node:timers/promises';
import readline from 'node:readline';

// hubot 9's main module exports wrappers that no class can extend.
const { Adapter, TextMessage } = await import('hubot/es2015.js').then((m) => m.default, () => import('hubot'));
const tell = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);

class Capture extends Adapter {
  constructor(robot) {
    super(robot);
    this.name = process.env.CAPTURE_NAME || 'Capture';
    robot.adapterName = this.name; // hubot 9 takes the file's name
  }

  async send(envelope, ...strings) {
    await null; // refuse as a chat does: later
    if (process.env.CAPTURE_REFUSES) {
      tell({ refused: strings });
      throw new Error('this chat takes no message');
    }
    for (const said of strings) tell({ room: envelope.user?.where ?? envelope.room, said });
  }

  async reply(envelope, ...strings) { return this.send(envelope, ...strings); }

  async run() {
    // 'scripts have loaded' comes before packages are loaded, and not at all in hubot 9.
    const knows = (word) => this.robot.listeners.some(({ regex }) => regex?.source.includes(word));
    const chat = async () => {
      const awaited = (process.env.CAPTURE_WAITS_FOR || 'help dashboard').split(' ');
      while (!awaited.every(knows)) await setTimeout(5); // packages come when they come
      let id = 0;
      for await (const line of readline.createInterface({ input: process.stdin })) {
        const [text, where = 'ops'] = line.split('\t').reverse();
        const [, person, room, thread] = /^(@[^>]*)?>?([^#]*)#?(.*)$/.exec(where);
        const user = this.robot.brain.userForId(person ?? `somebody in ${where}`, {});
        Object.assign(user, { where, room: room || undefined });
        const message = new TextMessage(user, text, String(id += 1));
        if (thread) message.rawMessage = { ts: message.id, thread_ts: thread };
        await this.receive(message);
      }
      this.robot.brain.close(); // its timer is all that holds an idle bot
    };
    this.emit('connected');
    chat();
  }
}

export default { use: (robot) => new Capture(robot) };
