// The browser's half of `bench/run web`: see web.cpp.
import { readFileSync } from 'node:fs';
import { base, launch, newPage, signIn } from '../tests/e2e/browser.mjs';

const [email, password, dataset, video, job] = process.argv.slice(2);
const browser = await launch();

async function watched(page) {
  await page.addInitScript(() => {
    window.interactions = [];
    window.longTasks = [];
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        if (entry.interactionId) window.interactions.push({ name: entry.name, ms: entry.duration });
      }
    }).observe({ type: 'event', durationThreshold: 16, buffered: true });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) window.longTasks.push(entry.startTime + entry.duration);
    }).observe({ type: 'longtask', buffered: true });
  });
}
// The longest since the last call, as the Event Timing API tells it (in steps of 8 ms).
async function longest(page) {
  await page.waitForTimeout(400);
  return page.evaluate(() => {
    const most = window.interactions.reduce((a, b) => (b.ms > a.ms ? b : a), { name: 'all', ms: 16 });
    window.interactions = [];
    return most;
  });
}
// Of the browser's renderer, its own share of memory (PSS), and the heap of its scripts, in MB.
async function memory(page) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const sizes = processInfo
    .filter((each) => each.type === 'renderer')
    .map(({ id }) => Number(/^Pss: +(\d+)/m.exec(readFileSync(`/proc/${id}/smaps_rollup`, 'utf8'))?.[1] ?? 0) / 1000);
  const own = await page.context().newCDPSession(page);
  await own.send('Performance.enable');
  const { metrics } = await own.send('Performance.getMetrics');
  return { process: Math.max(...sizes), heap: metrics.find((each) => each.name === 'JSHeapUsedSize').value / 1e6 };
}
// Scrolls a list of this name; the share of what should have shown rows and was empty, over all
// pictures that were painted, and the longest time between two of them.
async function scroll(page, name, steps) {
  await page.mouse.move(600, 500);
  await page.evaluate((name) => {
    const list = document.querySelector(`ul[aria-label="${name}"]`);
    const state = (window.scrolling = { painted: 0, looked: 0, empty: 0, gap: 0, last: performance.now(), on: true });
    const look = (now) => {
      state.gap = Math.max(state.gap, now - state.last);
      state.last = now;
      state.painted += 1;
      const box = list.getBoundingClientRect();
      const top = Math.max(box.top, 0);
      const bottom = Math.min(box.bottom, innerHeight);
      const [first, last] = [list.firstElementChild, list.lastElementChild].map((each) => each?.getBoundingClientRect());
      state.looked += bottom - top;
      state.empty += first ? Math.max(0, first.top - top) + Math.max(0, bottom - last.bottom) : bottom - top;
      if (state.on) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }, name);
  for (let i = 0; i < steps; ++i) {
    await page.mouse.wheel(0, 900);
    await page.waitForTimeout(40);
  }
  await page.waitForTimeout(500);
  return page.evaluate(() => {
    window.scrolling.on = false;
    return { ...window.scrolling, y: scrollY };
  });
}

const { context, page, faults } = await newPage(browser);
await watched(page);
await signIn(page, email, password);
const main = page.getByRole('main');
const walks = [
  ['datasets', '/datasets', async () => {
    await main.getByRole('link', { name: /^dataset [0-9]/ }).first().waitFor();
    await page.getByLabel('Search datasets').pressSequentially('dataset 4', { delay: 60 });
    await page.waitForTimeout(600);
    await page.getByLabel('Search datasets').fill('');
    await page.waitForTimeout(600);
    await page.getByRole('button', { name: 'New dataset' }).click();
    await page.keyboard.type('a name', { delay: 40 });
    await page.keyboard.press('Escape');
  }],
  ['dataset', `/datasets/${dataset}`, async () => {
    await main.getByRole('link', { name: 'long.mp4' }).first().waitFor();
    await page.getByLabel('Select all').click();
    await page.getByRole('button', { name: 'Name and tags' }).click();
    await page.keyboard.type('x', { delay: 40 });
    await page.keyboard.press('Escape');
  }],
  ['video', `/videos/${video}`, async () => {
    await page.waitForFunction(() => document.querySelector('video')?.readyState >= 2);
    await page.locator('.stage').click();
    for (let i = 0; i < 5; ++i) await page.keyboard.press('ArrowRight');
  }],
  ['new job', `/new-job?videos=${video}`, async () => {
    await page.getByText('Queue the job').waitFor();
    await page.getByLabel('Track').click();
    await page.getByText('pose', { exact: true }).first().click();
    await page.getByText('detect', { exact: true }).first().click();
  }],
  ['jobs', '/jobs', async () => {
    await page.locator('a.job').first().waitFor();
    await page.getByLabel('Status').focus();
    await page.keyboard.press('ArrowDown');
    await page.waitForTimeout(500);
    await page.keyboard.press('ArrowUp');
    await page.waitForTimeout(500);
    return scroll(page, 'Jobs', 120);
  }],
  ['result: video', `/jobs/${job}`, async () => {
    await page.waitForFunction(() => document.querySelector('video')?.readyState >= 2);
    await page.locator('svg rect.box').first().waitFor();
    await page.locator('.stage').click();
    for (let i = 0; i < 10; ++i) await page.keyboard.press('ArrowRight');
    await page.getByRole('slider', { name: 'Frame' }).click();
    await page.waitForTimeout(800);
    await page.getByLabel(/^Confidence from/).click();
    await page.getByLabel('Label', { exact: true }).focus();
    await page.keyboard.press('ArrowDown');
    await page.locator('.stage').click();
    await page.waitForTimeout(3000);
    await page.locator('.stage').click();
  }],
  ['result: table', `/jobs/${job}?tab=table`, async () => {
    await page.getByRole('tab', { name: 'Table' }).click();
    const row = page.getByRole('list', { name: 'Table' }).getByRole('listitem').first();
    await row.waitFor();
    await page.getByLabel('Confidence from, %').pressSequentially('90', { delay: 60 });
    await page.waitForTimeout(800);
    await page.getByLabel('Track').pressSequentially('401', { delay: 60 });
    await page.waitForTimeout(1500);
    await page.getByLabel('Track').fill('');
    await page.getByLabel('Confidence from, %').fill('');
    await page.waitForTimeout(800);
    await row.waitFor();
    return scroll(page, 'Table', 200);
  }],
  ['tokens', '/tokens', async () => {
    await page.locator('.chart canvas').waitFor();
    await page.getByLabel('From').fill('2026-01-01');
    await page.waitForTimeout(600);
    await page.getByText('By day', { exact: true }).click();
    await page.getByLabel('Kind').focus();
    await page.keyboard.press('ArrowDown');
  }],
  ['carbon', '/carbon', async () => {
    await page.locator('.chart canvas').waitFor();
    await page.getByText('By day', { exact: true }).click();
  }],
  ['account', '/account', async () => {
    await page.getByRole('button', { name: 'New key' }).click();
    await page.keyboard.type('a name', { delay: 40 });
    await page.keyboard.press('Escape');
  }],
  ['administration', '/admin', async () => {
    await page.getByLabel('Search e-mail').pressSequentially('user', { delay: 60 });
    for (const tab of ['Queue', 'Models', 'Tags', 'Checks']) {
      await page.getByRole('link', { name: tab }).click();
      await page.waitForTimeout(400);
    }
  }],
];
let worst = 0;
let most = 0;
for (const [name, path, walk] of walks) {
  const began = performance.now();
  await page.goto(base + path);
  await main.getByRole('heading', { level: 1 }).waitFor();
  const shown = performance.now() - began;
  const scrolled = await walk().catch((error) => {
    console.error(`${name}: ${error.message}`);
    process.exitCode = 1;
  });
  const interaction = await longest(page);
  const { process: size, heap } = await memory(page);
  worst = Math.max(worst, interaction.ms);
  most = Math.max(most, size);
  let line = `${name.padEnd(15)} heading ${shown.toFixed(0).padStart(5)} ms, interaction ${interaction.ms} ms (${interaction.name}), memory ${size.toFixed(0)} MB, heap ${heap.toFixed(0)} MB`;
  if (scrolled) {
    line += `; scrolled ${scrolled.y.toFixed(0)} px in ${scrolled.painted} pictures, ${((100 * scrolled.empty) / scrolled.looked).toFixed(2)} % empty, longest between two ${scrolled.gap.toFixed(0)} ms`;
  }
  console.log(line);
}
console.log(`interaction ratio=${(worst / 200).toFixed(2)} of 200 ms, memory ratio=${(most / 300).toFixed(2)} of 300 MB`);

// First load, nothing cached, on a slow line and processor.
for (const [name, path, ready] of [
  ['welcome', '/', (on) => on.getByLabel('E-mail').waitFor()],
  ['datasets', '/datasets', (on) => on.getByRole('main').getByRole('link', { name: /^dataset [0-9]/ }).first().waitFor()],
  ['jobs', '/jobs', (on) => on.locator('a.job').first().waitFor()],
  ['result', `/jobs/${job}`, (on) => on.locator('svg rect.box').first().waitFor()],
]) {
  const fresh = await newPage(browser);
  if (name !== 'welcome') {
    await fresh.context.addCookies(await context.cookies());
  }
  const state = await context.storageState();
  await fresh.context.addInitScript((stored) => {
    for (const { name, value } of stored) localStorage.setItem(name, value);
  }, name === 'welcome' ? [] : state.origins.flatMap((origin) => origin.localStorage));
  await watched(fresh.page);
  const line = await fresh.context.newCDPSession(fresh.page);
  await line.send('Network.enable');
  await line.send('Network.emulateNetworkConditions', {
    offline: false, latency: 150, downloadThroughput: 1_600_000 / 8, uploadThroughput: 750_000 / 8,
  });
  await line.send('Emulation.setCPUThrottlingRate', { rate: 4 });
  let requests = 0;
  let bytes = 0;
  line.on('Network.requestWillBeSent', () => { requests += 1; });
  line.on('Network.loadingFinished', (event) => { bytes += event.encodedDataLength; });
  const began = performance.now();
  await fresh.page.goto(base + path, { waitUntil: 'commit' });
  await ready(fresh.page).catch((error) => {
    console.error(`${name}: ${error.message}`);
    process.exitCode = 1;
  });
  const shown = performance.now() - began;
  await fresh.page.waitForTimeout(2000);
  const quiet = await fresh.page.evaluate(() => Math.max(0, ...window.longTasks));
  console.log(
    `first load of ${name.padEnd(8)}: ${requests} requests, ${(bytes / 1000).toFixed(0)} kB, shown after ${(shown / 1000).toFixed(2)} s, last long task ended at ${(quiet / 1000).toFixed(2)} s`,
  );
  await fresh.context.close();
}
await browser.close();
if (faults.length > 0) {
  console.error(faults);
  process.exitCode = 1;
}
