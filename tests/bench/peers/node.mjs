// The same work as a Node service does it: fetch and sharp.
import cluster from 'node:cluster';
import crypto from 'node:crypto';
import fs from 'node:fs/promises';
import http from 'node:http';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';

const sharp = createRequire(process.env.SHARP + '/')('sharp');
const { STORE, PUBLIC, PORT } = process.env;
let count = 0;

async function keep(image) {
  const day = new Date().toISOString().slice(0, 10);
  const name = crypto.createHash('sha256').update(image).digest('hex') + '.png';
  const folder = path.join(STORE, day);
  const part = path.join(folder, `.${process.pid}.${count++}`);
  await fs.mkdir(folder, { recursive: true });
  const file = await fs.open(part, 'w');
  await file.writeFile(image);
  await file.sync();
  await file.close();
  await fs.rename(part, path.join(folder, name));
  const entry = await fs.open(folder);
  await entry.sync();
  await entry.close();
  return `${PUBLIC}/${day}/${name}`;
}

async function save(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const { imageUrl } = JSON.parse(Buffer.concat(pieces).toString());
  const answer = await fetch(imageUrl, { headers: { authorization: request.headers.authorization } });
  if (!answer.ok) throw new Error(`Grafana answered ${answer.status}`);
  const image = Buffer.from(await answer.arrayBuffer());
  await sharp(image, { failOn: 'warning' }).raw().toBuffer();
  return keep(image);
}

if (cluster.isPrimary) {
  for (let i = 0; i < os.availableParallelism(); i++) cluster.fork();
} else {
  http.createServer(async (request, response) => {
    let status = 200;
    let body;
    try {
      body = JSON.stringify({ pubImg: await save(request) });
    } catch (error) {
      status = 502;
      body = JSON.stringify({ error: String(error) });
    }
    response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
    response.end(body);
  }).listen(Number(PORT), '127.0.0.1');
}
