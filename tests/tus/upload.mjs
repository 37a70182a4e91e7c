// Uploads files by tus-js-client, over lines that are cut at random offsets, to one of several
// servers at random. Prints what came of each file.
//   node upload.mjs PORTS_FILE TOKEN DATASET PARALLEL SEED CUT FILE...
// PORTS_FILE holds the servers' ports as a JSON array; it is read anew for each line. Lines
// are cut after CUT bytes at most, two of three of them.
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import * as tus from 'tus-js-client';

const [portsFile, token, dataset, parallel, seed, cut, ...files] = process.argv.slice(2);

let state = Number(seed) || 1;
// xorshift32: the same cuts again for the same seed, as far as the order of lines allows.
function random(below) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

let lines = 0;
let cuts = 0;
const proxy = net.createServer((near) => {
  lines += 1;
  let left = random(3) === 0 ? Infinity : random(Number(cut));
  const ports = JSON.parse(fs.readFileSync(portsFile, 'utf8'));
  const far = net.connect(ports[random(ports.length)], '127.0.0.1');
  const end = () => {
    near.destroy();
    far.destroy();
  };
  near.on('data', (bytes) => {
    if (left < 0) {
      return; // it is cut, and only ends
    }
    if (bytes.length > left) {
      far.write(bytes.subarray(0, left), () => {
        cuts += 1;
        end();
      });
      left = -1;
    } else {
      left -= bytes.length;
      if (!far.write(bytes)) {
        near.pause();
        far.once('drain', () => near.resume());
      }
    }
  });
  far.on('data', (bytes) => near.write(bytes));
  for (const [one, other] of [[near, far], [far, near]]) {
    one.on('error', end);
    one.on('end', () => other.end());
    one.on('close', end);
  }
});
await new Promise((resolve) => { proxy.listen(0, '127.0.0.1', resolve); });

const waits = Array.from({ length: 200 }, (_, i) => Math.min(50 * (i + 1), 1000));
function upload(file) {
  return new Promise((resolve) => {
    const begun = new tus.Upload(fs.createReadStream(file), {
      endpoint: `http://127.0.0.1:${proxy.address().port}/api/v1/uploads`,
      headers: { Authorization: `Bearer ${token}` },
      metadata: { filename: path.basename(file), dataset_id: dataset },
      uploadSize: fs.statSync(file).size,
      chunkSize: 16_000_000,
      retryDelays: waits,
      onShouldRetry: (error) => {
        const status = error.originalResponse ? error.originalResponse.getStatus() : 0;
        return status === 0 || status === 409 || status === 423 || status >= 500;
      },
      onError: (error) => resolve({ file, error: String(error) }),
      onSuccess: () => resolve({ file, url: begun.url }),
    });
    begun.start();
  });
}

const results = [];
const waiting = [...files];
await Promise.all(Array.from({ length: Number(parallel) }, async () => {
  while (waiting.length > 0) {
    results.push(await upload(waiting.shift()));
  }
}));
proxy.close();
process.stdout.write(`${JSON.stringify({ results, lines, cuts })}\n`);
process.exit(0);
