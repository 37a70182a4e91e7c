// Drives the dashboard as people do: from the first sign-up to what administrators do, in a real
// browser, against a real server. Ends with status 0 if everything was as it should be.
//   INFERNODE_E2E_URL         where the server is
//   INFERNODE_E2E_ADMIN       e-mail address of an administrator; the password is "password"
//   INFERNODE_E2E_MODEL       a model's folder and name: FOLDER/NAME.onnx, .json and its golden picture
//   INFERNODE_E2E_CLIP        a video
//   INFERNODE_E2E_ARTEFACTS   where the pictures of the pages go
//   RUN_LONG_TESTS            1: tries each operation in /docs as well
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { api, assert, base, launch, look, newPage, readmePicture, signIn, stops } from './browser.mjs';

const admin = process.env.INFERNODE_E2E_ADMIN ?? 'admin@example.com';
const sources = fileURLToPath(new URL('../..', import.meta.url));
const model = process.env.INFERNODE_E2E_MODEL ?? join(sources, 'build/models/ssd-mobilenet-v2');
const clip = process.env.INFERNODE_E2E_CLIP ?? join(sources, 'examples/street.mp4');
const email = `e2e-${Date.now()}@example.com`;
const password = 'a password of mine';
const long = process.env.RUN_LONG_TESTS === '1';
const folder = mkdtempSync(join(tmpdir(), 'infernode-e2e-'));

const browser = await launch();
const { context, page, faults, expect } = await newPage(browser, { expected: [] });
let step = 'the beginning';
async function doing(what, work) {
  step = what;
  const began = performance.now();
  await work();
  assert.deepEqual(faults, [], what);
  console.log(`${what}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
}
const main = page.getByRole('main');
const button = (name, exact = true) => page.getByRole('button', { name, exact });
const balance = async () => (await api(page, '/users/me')).body.tokens;
const shownBalance = () => page.locator('nav .balance');
async function open(path) {
  await page.goto(base + path);
  await page.getByRole('navigation', { name: 'Main' }).waitFor();
}
// A clip with bytes of its own, so that it is stored and paid for anew; players skip what is behind it.
function freshClip(name, bytes = 0) {
  const file = join(folder, name);
  const box = Buffer.alloc(16 + bytes);
  box.writeUInt32BE(box.length);
  box.write('free', 4);
  box.write(String(Math.random()).slice(2, 10), 8);
  writeFileSync(file, Buffer.concat([readFileSync(clip), box]));
  return file;
}

try {
  await doing('a wrong password is explained', async () => {
    await page.goto(base + '/');
    await page.getByLabel('E-mail').waitFor();
    assert.deepEqual(faults, []);
    expect(/401 .*auth.session/);
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password').fill('wrong');
    await button('Sign in').click();
    const alert = page.getByRole('alert');
    await alert.waitFor();
    assert.match(await alert.innerText(), /Request [0-9a-f-]{36}/);
    await look(page, 'welcome-failed');
  });
  await doing('sign up', async () => {
    await page.reload();
    await look(page, 'welcome');
    await stops(page, 'welcome');
    await button('Create an account').click();
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password').fill(password);
    await main.locator('form').getByRole('button', { name: 'Create an account' }).click();
    await page.getByText('No dataset yet').waitFor();
    await look(page, 'datasets-empty');
    await stops(page, 'datasets-empty');
    const cookies = await context.cookies();
    assert.ok(cookies.length > 0 && cookies.every((cookie) => cookie.httpOnly), 'the session is out of reach of scripts');
    await page.reload();
    await page.getByText('No dataset yet').waitFor();
  });
  await doing('empty pages teach', async () => {
    for (const path of ['jobs', 'tokens', 'carbon', 'account']) {
      await open('/' + path);
      await page.waitForLoadState('networkidle');
      await look(page, `${path}-empty`);
      await stops(page, `${path}-empty`);
    }
  });
  await doing('the example clip by one click, over a line that breaks', async () => {
    await open('/datasets');
    const line = await context.newCDPSession(page);
    await line.send('Network.enable');
    const limit = (offline) =>
      line.send('Network.emulateNetworkConditions', {
        offline,
        latency: 0,
        downloadThroughput: -1,
        uploadThroughput: 100_000,
      });
    await limit(false);
    expect(/ERR_INTERNET_DISCONNECTED|ERR_NETWORK|WebSocket|ERR_FAILED/);
    await button('Load the example clip').click();
    const upload = page.locator('[data-state="uploading"]');
    await upload.waitFor();
    await page.waitForTimeout(1200);
    await limit(true);
    await page.locator('[data-state="offline"]').waitFor();
    await page.getByText('The line to the server is lost').waitFor();
    await look(page, 'upload-offline');
    await limit(false);
    await page.locator('[data-state="done"]').waitFor({ timeout: 60_000 });
    await line.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput: -1,
    });
    await page.getByRole('link', { name: 'street.mp4' }).first().waitFor();
    await page.getByText('The line to the server is lost').waitFor({ state: 'detached' });
    assert.equal(await balance(), 99.88);
    await page.waitForFunction(() => document.querySelector('nav .balance').textContent.includes('99.88'));
    await look(page, 'dataset');
    await stops(page, 'dataset');
  });
  await doing('a reload goes on where it was, and pausing holds it', async () => {
    const big = freshClip('big.mp4', 6_000_000);
    const line = await context.newCDPSession(page);
    await line.send('Network.enable');
    await line.send('Network.emulateNetworkConditions', {
      offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 1_500_000,
    });
    page.on('dialog', (dialog) => dialog.accept());
    await page.locator('input[type=file]').first().setInputFiles(big);
    const row = page.locator('li', { hasText: 'big.mp4' }).first();
    await row.locator('xpath=self::*[@data-state="uploading"]').waitFor();
    await page.waitForTimeout(1500);
    await row.getByRole('button', { name: 'Pause' }).click();
    await row.getByRole('button', { name: 'Resume' }).waitFor();
    await look(page, 'upload-paused');
    await page.reload();
    const chooser = page.waitForEvent('filechooser');
    await row.getByRole('button', { name: 'Choose the file again to go on' }).click();
    await (await chooser).setFiles(big);
    await page.locator('li[data-state="done"]', { hasText: 'big.mp4' }).waitFor({ timeout: 60_000 });
    const { items } = (await api(page, '/uploads')).body;
    assert.equal(items.length, 0, 'no upload is left over');
  });
  await doing('the price is shown before it is paid', async () => {
    const before = await balance();
    await page.getByLabel('Show the price before it is paid').check();
    await page.locator('input[type=file]').first().setInputFiles(freshClip('asked.mp4'));
    await button('Pay 0.12 tokens').waitFor();
    assert.equal(await balance(), before);
    await look(page, 'upload-priced');
    await button('Pay 0.12 tokens').click();
    await page.locator('li[data-state="done"]', { hasText: 'asked.mp4' }).waitFor();
    assert.equal(await balance(), Number((before - 0.12).toFixed(3)));
    writeFileSync(join(folder, 'noise.mp4'), Buffer.alloc(5000, 'noise'));
    await page.getByLabel('Show the price before it is paid').uncheck();
    expect(/415/); // the PATCH that ends it is answered so
    await page.locator('input[type=file]').first().setInputFiles(join(folder, 'noise.mp4'));
    const refused = page.locator('li[data-state="failed"]', { hasText: 'noise.mp4' });
    await refused.waitFor();
    await refused.getByRole('alert').waitFor();
    await look(page, 'upload-refused');
    await button('Clear what is done').click();
  });
  await doing('a video plays, and moves frame by frame', async () => {
    await page.getByRole('link', { name: 'street.mp4' }).first().click();
    const player = page.locator('.player');
    await player.waitFor();
    await page.waitForFunction(() => document.querySelector('video')?.readyState >= 2);
    await player.locator('.stage').focus();
    for (let i = 0; i < 3; ++i) await page.keyboard.press('ArrowRight');
    await page.locator('[data-frame="3"]').first().waitFor();
    await button('Play').click();
    await page.waitForFunction(() => Number(document.querySelector('span[data-frame]').dataset.frame) > 8);
    await button('Pause').click();
    await look(page, 'video');
    await stops(page, 'video');
  });
  let job;
  await doing('a job with a zone, seen live to its end', async () => {
    await page.getByRole('link', { name: 'New job' }).first().click();
    await page.getByText('Queue the job').waitFor();
    await page.getByLabel('Track').check();
    await page.getByLabel('Video', { exact: true }).check();
    await button('Add zone').click();
    const picture = page.locator('.draws svg');
    const box = await picture.boundingBox();
    for (const [x, y] of [[0.1, 0.2], [0.9, 0.2], [0.9, 0.9], [0.1, 0.9], [0.1, 0.2]]) {
      await picture.click({ position: { x: x * box.width, y: y * box.height } });
    }
    await button('Add line').click();
    await page.getByLabel('Corners: x,y x,y …').last().fill('300,0 300,500');
    await page.getByLabel('Corners: x,y x,y …').last().press('Enter');
    await look(page, 'new-job');
    await readmePicture(page, 'dashboard-new-job', page.locator('.draws'));
    await stops(page, 'new-job', 120);
    const quote = page.getByRole('complementary', { name: 'Price' });
    await quote.getByText('0.24', { exact: true }).waitFor();
    const before = await balance();
    await button('Queue the job').click();
    await page.getByRole('heading', { name: 'detect' }).waitFor();
    job = new URL(page.url()).pathname.split('/').pop();
    assert.equal(await balance(), Number((before - 0.24).toFixed(3)));
    const progress = page.getByRole('progressbar');
    await page.waitForFunction(() => document.querySelector('progress')?.value > 0, null, { timeout: 60_000 });
    assert.equal(await progress.count(), 1);
    await look(page, 'job-running');
    await page.getByText('Completed').waitFor({ timeout: 120_000 });
  });
  await doing('boxes are where the JSON says, frame by frame', async () => {
    await page.waitForFunction(() => document.querySelector('video')?.readyState >= 2);
    const frames = await page.evaluate(async (id) => {
      const answer = await fetch(`/api/v1/jobs/${id}/frames`);
      return (await answer.text()).trim().split('\n').map((line) => JSON.parse(line));
    }, job);
    assert.equal(frames.length, 120);
    await page.locator('.stage').focus();
    for (const wanted of [0, 1, 2, 3, 30, 31, 119]) {
      const now = Number(await page.locator('span[data-frame]').getAttribute('data-frame'));
      if (wanted === now + 1) {
        await page.keyboard.press('ArrowRight');
      } else if (wanted !== now) {
        await page.getByRole('slider', { name: 'Frame' }).fill(String(wanted));
        await page.locator('.stage').focus();
      }
      await page.locator(`svg[data-frame="${wanted}"]`).waitFor();
      const drawn = await page.locator('svg rect.box').evaluateAll((all) =>
        all.map((rect) => ['x', 'y', 'width', 'height'].map((name) => Number(rect.getAttribute(name)))),
      );
      assert.deepEqual(drawn, frames[wanted].objects.map((object) => object.box), `frame ${wanted}`);
      // The picture under the boxes is the frame's own.
      await page.waitForFunction(
        ([time]) => Math.abs(document.querySelector('video').currentTime - time) < 0.1,
        [frames[wanted].time + 0.05],
      );
      const over = await page.evaluate(() => {
        const video = document.querySelector('.stage video').getBoundingClientRect();
        const svg = document.querySelector('.stage svg').getBoundingClientRect();
        return ['x', 'y', 'width', 'height'].every((side) => Math.abs(video[side] - svg[side]) < 1);
      });
      assert.ok(over, 'the drawing lies on the picture');
    }
    assert.equal(await page.locator('svg polygon').count(), 1, 'the zone is drawn');
    await page.getByRole('slider', { name: 'Frame' }).fill('0');
    await button('Play').click();
    await page.waitForTimeout(1500);
    const pair = await page.evaluate(() => ({
      svg: Number(document.querySelector('.stage svg').dataset.frame),
      shown: Number(document.querySelector('span[data-frame]').dataset.frame),
    }));
    assert.equal(pair.svg, pair.shown);
    assert.ok(pair.svg > 5, `playing moves the boxes (${pair.svg})`);
    await button('Pause').click();
    await readmePicture(page, 'dashboard-result', page.getByRole('tablist'));
    await look(page, 'job');
    await stops(page, 'job');
  });
  await doing('a result of later frames begins there, and goes when its job is deleted elsewhere', async () => {
    const { video_id: video } = (await api(page, `/jobs/${job}`)).body;
    const made = await api(page, '/jobs', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ video_ids: [video], params: { pipeline: 'detect', start_frame: 60, end_frame: 63, images: false } }),
    });
    const { id } = made.body.jobs[0];
    await open('/jobs/' + id);
    await page.locator('svg[data-frame="60"] rect.box').first().waitFor({ timeout: 30_000 });
    await page.waitForFunction(() => Math.abs((document.querySelector('video')?.currentTime ?? 0) - 6.05) < 0.1);
    await page.waitForTimeout(300);
    assert.equal(await page.locator('span[data-frame]').getAttribute('data-frame'), '60');
    const other = await context.newPage();
    await other.goto(`${base}/videos/${video}`);
    await other.locator(`a[href="/jobs/${id}"]`).waitFor();
    assert.equal((await api(page, '/jobs/' + id, { method: 'DELETE' })).status, 204);
    await other.locator(`a[href="/jobs/${id}"]`).waitFor({ state: 'detached' });
    await other.locator(`a[href="/jobs/${job}"]`).waitFor();
    await page.getByRole('heading', { name: 'Jobs' }).waitFor();
    await other.close();
    await open('/jobs/' + job);
  });
  await doing('table, gallery and downloads', async () => {
    await page.getByRole('tab', { name: 'Table' }).click();
    await page.getByRole('list', { name: 'Table' }).getByRole('listitem').first().waitFor();
    await page.getByLabel('Label').selectOption('person');
    await page.getByLabel('Confidence from, %').fill('60');
    await page.waitForTimeout(600);
    const rows = await page.getByRole('list', { name: 'Table' }).getByRole('listitem').allInnerTexts();
    assert.ok(rows.length > 3);
    for (const row of rows) {
      const [, , , label, confidence] = row.split('\n').filter((each) => each.trim() !== '');
      assert.equal(label, 'person', row);
      assert.ok(parseInt(confidence) >= 60, row);
    }
    await look(page, 'job-table');
    await page.getByRole('tab', { name: 'Images' }).click();
    await page.waitForFunction(() => document.querySelector('.images img')?.naturalWidth > 0);
    await look(page, 'job-gallery');
    await page.getByRole('tab', { name: 'Downloads' }).click();
    const links = await page.locator('.downloads a').evaluateAll((all) => all.map((link) => link.getAttribute('href')));
    assert.equal(links.length, 10);
    for (const link of links) {
      const status = await page.evaluate(async (path) => (await fetch(path)).status, link);
      assert.equal(status, 200, link);
    }
    // The annotated video plays, and seeks.
    const place = await page.locator('video.annotated').evaluate(async (video) => {
      const once = (event) => new Promise((done) => video.addEventListener(event, done, { once: true }));
      if (video.readyState < 1) await once('loadedmetadata');
      const middle = video.duration / 2;
      const seeked = once('seeked');
      video.currentTime = middle;
      await seeked;
      return { off: Math.abs(video.currentTime - middle), width: video.videoWidth, ready: video.readyState };
    });
    assert.ok(place.off < 0.1 && place.width > 0 && place.ready >= 2, JSON.stringify(place));
    await look(page, 'job-downloads');
  });
  await doing('another tab sees a job come, and its abort is refunded', async () => {
    const other = await context.newPage();
    await other.goto(base + '/jobs');
    await other.getByRole('list', { name: 'Jobs' }).waitFor();
    const count = await other.locator('a.job').count();
    await open('/datasets');
    await page.getByRole('link', { name: 'Example' }).click();
    await page.getByRole('link', { name: 'Job over all videos' }).click();
    const quote = page.getByRole('complementary', { name: 'Price' });
    await quote.getByText('360').waitFor();
    await button('Queue the job').click();
    await page.getByRole('heading', { name: 'Jobs' }).waitFor();
    await other.waitForFunction((before) => document.querySelectorAll('a.job').length === before + 3, count);
    await page.locator('a.job', { hasText: 'Waiting' }).first().click();
    await button('Abort').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Abort' }).click();
    await page.getByText(/Aborted; 0\.24 tokens are back|Aborted; 0\.\d+ tokens are back/).waitFor();
    await page.locator('.status.aborted').waitFor();
    await look(page, 'job-aborted');
    await other.locator('a.job', { hasText: 'Aborted' }).waitFor();
    await other.waitForFunction(
      () => document.querySelectorAll('.status.pending, .status.running').length === 0,
      null,
      { timeout: 120_000 },
    );
    await other.close();
    await open('/jobs');
    await page.getByRole('list', { name: 'Jobs' }).waitFor();
    await look(page, 'jobs');
    await stops(page, 'jobs');
  });
  await doing('a dataset goes to the bin and comes back', async () => {
    await open('/datasets');
    await button('New dataset').click();
    await page.getByRole('dialog').getByLabel('Name').fill('Of no use');
    await page.getByRole('dialog').getByRole('textbox', { name: 'Tags' }).fill('one, two');
    await look(page, 'dataset-new');
    await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
    await page.getByText('No video yet').waitFor();
    await look(page, 'dataset-empty');
    await button('Delete dataset').click();
    await button('Undo').click();
    await page.getByRole('heading', { name: 'Of no use' }).waitFor();
    await open('/datasets');
    await page.getByLabel('With the tag').selectOption('two');
    await page.getByRole('link', { name: 'Example' }).waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Delete Of no use' }).click();
    await page.getByText('No dataset matches.').waitFor();
    await button('Bin').click();
    await page.getByLabel('With the tag').selectOption('');
    await page.getByRole('button', { name: 'Restore Of no use' }).waitFor();
    await look(page, 'bin');
    await page.getByRole('button', { name: 'Delete for good Of no use' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete for good' }).click();
    await page.getByText('The bin is empty.').waitFor();
    await open('/datasets');
    await look(page, 'datasets');
    await stops(page, 'datasets');
  });
  await doing('what was used is shown', async () => {
    for (const path of ['tokens', 'carbon']) {
      await open('/' + path);
      await page.locator('.chart canvas').waitFor();
      await look(page, path);
      await stops(page, path);
    }
    await open('/tokens');
    await page.locator('.chart canvas').waitFor();
    await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
    await readmePicture(page, 'dashboard-tokens');
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
    const csv = await page.evaluate(async () => (await fetch('/api/v1/users/me/usage?format=csv')).text());
    assert.match(csv, /detect,0,\d+,0\.\d+/);
  });
  await doing('pages that load say so, and those that failed try again', async () => {
    const { id, video_id: video, dataset_id: dataset } = (await api(page, '/jobs/' + job)).body;
    const some = /\/api\/v1\/(?!users\/me$|info|ws)/;
    const pages = {
      datasets: '/datasets', dataset: '/datasets/' + dataset, video: '/videos/' + video, 'new-job': '/new-job?videos=' + video,
      jobs: '/jobs', job: '/jobs/' + id, tokens: '/tokens', carbon: '/carbon', account: '/account',
    };
    expect(/status of 503/);
    for (const [name, path] of Object.entries(pages)) {
      await page.route(some, () => {}); // never answered
      await open(path);
      await main.locator('.skeleton').first().waitFor();
      await look(page, `${name}-loading`);
      await page.unrouteAll({ behavior: 'ignoreErrors' });
      await page.route(some, (route) =>
        route.fulfill({
          status: 503,
          contentType: 'application/problem+json',
          body: JSON.stringify({ status: 503, detail: 'The database does not answer.', instance: 'none' }),
        }),
      );
      await open(path);
      await main.getByRole('alert').first().waitFor();
      await look(page, `${name}-failed`);
      await page.unrouteAll({ behavior: 'ignoreErrors' });
      while ((await main.getByRole('alert').count()) > 0) {
        await main.getByRole('alert').first().getByRole('button', { name: 'Try again' }).click();
        await page.waitForTimeout(400);
      }
    }
  });
  await doing('an API key is shown once', async () => {
    await open('/account');
    await button('New key').click();
    await page.getByRole('dialog').getByLabel('Name').fill('my program');
    await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
    const key = await page.getByLabel('Keep this key now').inputValue();
    assert.match(key, /^in/);
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
    await page.getByRole('strong').filter({ hasText: 'my program' }).first().waitFor();
    const status = await page.evaluate(
      async (key) => (await fetch('/api/v1/users/me', { headers: { Authorization: `Bearer ${key}` }, credentials: 'omit' })).status,
      key,
    );
    assert.equal(status, 200);
    await look(page, 'account');
  });
  const { context: second, page: boss, faults: others, expect: expectOf } = await newPage(browser);
  await doing('an administrator recharges, and the user sees it at once', async () => {
    await signIn(boss, admin, 'password');
    await boss.getByRole('link', { name: 'Administration' }).click();
    await boss.getByLabel('Search e-mail').fill(email);
    await boss.getByRole('button', { name: `Recharge ${email}` }).click();
    await boss.getByRole('dialog').getByLabel('Tokens').fill('1000');
    await look(boss, 'admin-recharge');
    // Pressed twice it is booked once.
    await boss.getByRole('dialog').getByRole('button', { name: 'Recharge' }).dblclick();
    await boss.getByText(`${email} was recharged.`).waitFor();
    await page.waitForFunction(() => document.querySelector('nav .balance').textContent.startsWith('1,09'));
    assert.match(await shownBalance().innerText(), /^1,09/);
    await look(boss, 'admin-users');
    await stops(boss, 'admin-users');
  });
  await doing('an administrator adds a model and tries it', async () => {
    const name = `e2e-${Date.now()}`;
    const manifest = JSON.parse(readFileSync(model + '.json', 'utf8'));
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, name }));
    await boss.getByRole('link', { name: 'Models' }).click();
    await boss.getByRole('button', { name: 'Add a model' }).click();
    const dialog = boss.getByRole('dialog');
    await dialog.getByLabel('Manifest').setInputFiles(join(folder, 'manifest.json'));
    await dialog.getByLabel('Model (ONNX)').setInputFiles(model + '.onnx');
    await dialog.getByLabel('Picture').setInputFiles(join(dirname(model), manifest.golden.picture));
    await dialog.getByRole('button', { name: 'Add a model' }).click();
    await boss.getByRole('heading', { name }).waitFor({ timeout: 60_000 });
    await boss.getByRole('button', { name: `Self-test ${name}` }).click();
    await boss.getByText('The model answers as it should.').waitFor({ timeout: 60_000 });
    await look(boss, 'admin-models');
    await boss.getByRole('button', { name: `Delete ${name}` }).click();
    await boss.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await boss.getByRole('heading', { name }).waitFor({ state: 'detached' });
  });
  await doing('the queue and its workers, live', async () => {
    await boss.getByRole('link', { name: 'Queue' }).click();
    await boss.getByText('Works on nothing.').first().waitFor();
    const dataset = (await api(page, '/jobs')).body.items[0].dataset_id;
    const made = await api(page, '/jobs', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ dataset_id: dataset, params: { pipeline: 'detect' } }),
    });
    assert.equal(made.status, 201);
    await boss.getByRole('progressbar').first().waitFor();
    await look(boss, 'admin-queue');
    await boss.getByText('Works on nothing.').first().waitFor({ timeout: 60_000 });
    for (const tab of ['Tags', 'Checks']) {
      await boss.getByRole('link', { name: tab }).click();
      await boss.waitForLoadState('networkidle');
      if (tab === 'Checks') {
        await boss.getByRole('button', { name: 'Check the ledger' }).click();
        await boss.getByText('every balance is the sum of its entries').waitFor();
      }
      await look(boss, `admin-${tab.toLowerCase()}`);
    }
  });
  await doing('somebody is invited and sets a password', async () => {
    const guest = `guest-${Date.now()}@example.com`;
    await boss.getByRole('link', { name: 'Users' }).click();
    await boss.getByRole('button', { name: 'New user' }).click();
    await boss.getByRole('dialog').getByLabel('E-mail').fill(guest);
    await boss.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
    const link = await boss.getByRole('dialog').getByLabel('Send this link').inputValue();
    const invited = await newPage(browser);
    await invited.page.goto(link);
    await look(invited.page, 'password');
    await invited.page.getByLabel('New password').fill('of the guest');
    await invited.page.getByRole('button', { name: 'Set password' }).click();
    await invited.page.getByText('Sign in with it').waitFor();
    await signIn(invited.page, guest, 'of the guest');
    // A user has no way to what is the administrators', nor to what is others'.
    // A link that was used says so, and ends nobody's session.
    invited.expect(/401/);
    await invited.page.goto(link);
    await invited.page.getByLabel('New password').fill('of a thief');
    await invited.page.getByRole('button', { name: 'Set password' }).click();
    await invited.page.getByRole('alert').waitFor();
    assert.equal((await api(invited.page, '/users/me')).status, 200);
    await invited.page.goto(`${base}/jobs/${job}`);
    invited.expect(/404/);
    await invited.page.getByRole('alert').waitFor();
    await look(invited.page, 'job-failed');
    await invited.page.goto(base + '/admin');
    await invited.page.getByText('There is nothing at this address.').waitFor();
    assert.deepEqual(invited.faults, []);
    await invited.context.close();
    assert.deepEqual(others, []);
    await second.close();
  });
  await doing('a new password throws the others out', async () => {
    const elsewhere = await newPage(browser, { expected: [/401/, /WebSocket/] });
    await signIn(elsewhere.page, email, password);
    await open('/account');
    expect(/WebSocket/);
    await page.getByLabel('Current password').fill(password);
    await page.getByLabel('New password').fill('another of mine');
    await button('Change password').click();
    await page.getByText('Your password was changed.').waitFor();
    await elsewhere.page.getByText('Your session has ended.').waitFor({ timeout: 30_000 });
    assert.deepEqual(elsewhere.faults, []);
    await elsewhere.context.close();
    await open('/datasets');
    await page.getByRole('link', { name: 'Example' }).waitFor();
  });
  await doing('the documentation is in place', async () => {
    await page.goto(base + '/docs');
    const { paths } = await page.evaluate(async () => (await fetch('/openapi.json')).json());
    const { items: jobs } = (await api(page, '/jobs')).body;
    const ids = { jobs: job, datasets: jobs[0].dataset_id, videos: jobs[0].video_id };
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([, operation]) => operation.operationId)
        .map(([method, operation]) => ({ path, method, id: operation.operationId })),
    );
    await page.locator('.opblock').nth(operations.length - 1).waitFor();
    assert.equal(await page.locator('.opblock').count(), operations.length);
    // Administrators' answer 403, and what is in no state for it 404 or 409.
    expect(/status of 4\d\d/);
    // Each takes a second: all of them in the long test.
    const some = ['getMe', 'listDatasets', 'createDataset', 'getJob', 'listFrames', 'getUsage', 'getImages', 'listUsers'];
    for (const { path, method, id } of operations.filter(({ id }) => long || some.includes(id))) {
      const block = page.locator(`.opblock[id$="-${id}"]`);
      await block.locator('.opblock-summary-control').click();
      await block.locator('.opblock-body').waitFor();
      // The streams end only with who reads them.
      if (method === 'get' && !/events$|ws$/.test(path)) {
        await block.getByRole('button', { name: 'Try it out' }).click();
        const parameter = block.locator('tr[data-param-in="path"] input');
        for (let i = 0; i < (await parameter.count()); ++i) {
          const name = await parameter.nth(i).getAttribute('placeholder');
          await parameter.nth(i).fill(name === 'frame' ? '0' : (ids[path.split('/')[3]] ?? jobs[0].id));
        }
        await block.getByRole('button', { name: 'Execute' }).click();
        const status = block.locator('.live-responses-table .response-col_status').last();
        await status.waitFor();
        const answered = parseInt(await status.innerText());
        const wanted = /admin|uploads.{id}/.test(path) ? [403, 404] : [200];
        assert.ok(wanted.includes(answered), `${id} answers ${answered}`);
      }
      await block.locator('.opblock-summary-control').click();
    }
    await button('Authorize').first().click();
    await page.getByText('Available authorizations').waitFor();
    for (const guide of ['uploads', 'results', 'models', 'energy', 'ledger', 'operating', 'security', 'videos']) {
      await page.goto(`${base}/docs/${guide}.html`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      if (guide === 'models') await look(page, 'guide');
    }
  });
  await doing('nothing is at a wrong address', async () => {
    await open('/nowhere');
    await page.getByText('There is nothing at this address.').waitFor();
    await look(page, 'nowhere');
  });
  await doing('sign out', async () => {
    await open('/account');
    await button('Sign out').click();
    await page.getByLabel('E-mail').waitFor();
    assert.equal((await api(page, '/users/me')).status, 401);
  });
} catch (error) {
  console.error(`${step}: ${error.stack ?? error}`);
  console.error(faults);
  await page.screenshot({ path: join(process.env.INFERNODE_E2E_ARTEFACTS ?? '/tmp/e2e', 'failed.png') }).catch(() => {});
  process.exitCode = 1;
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}
