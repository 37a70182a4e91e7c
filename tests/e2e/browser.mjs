// What the tests of the dashboard share: a browser that hears of every fault, and a look at each page
// in every size and both looks.
import { strict as assert } from 'node:assert';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import axe from '@axe-core/playwright';
import { chromium } from 'playwright-core';

export const base = process.env.INFERNODE_E2E_URL ?? 'http://127.0.0.1:3000';
const artefacts = process.env.INFERNODE_E2E_ARTEFACTS ?? '/tmp/e2e';
const widths = [1440, 768, 390];

mkdirSync(artefacts, { recursive: true });

export async function launch() {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required'],
  });
}

// A page that is signed in by nobody. `faults` gets what must not be: console errors, exceptions,
// breaches of the policy. What `expected` matches is let through.
export async function newPage(browser, { expected = [] } = {}) {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    locale: 'en-GB',
    timezoneId: 'UTC',
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  const faults = [];
  const fault = (text) => {
    if (!expected.some((pattern) => pattern.test(text))) faults.push(text);
  };
  page.on('console', (message) => {
    if (message.type() === 'error') fault(`console: ${message.text()} ${message.location().url}`);
  });
  page.on('pageerror', (error) => fault(`exception: ${error.stack ?? error}`));
  page.setDefaultTimeout(15_000);
  return { context, page, faults, expect: (pattern) => expected.push(pattern) };
}

const kAxeTags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

// The page in all sizes, light and dark: pictures of it, nothing that axe finds serious, nothing wider
// than the page.
export async function look(page, name) {
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    for (const width of widths) {
      await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
      await page.evaluate(() => scrollTo(0, 0));
      await page.waitForTimeout(60);
      const over = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      assert.ok(over <= 0, `${name} at ${width}: ${over} pixels wider than the page`);
      // Of a long list, the beginning.
      const fullPage = await page.evaluate(() => document.documentElement.scrollHeight < 6000);
      await page.screenshot({ path: join(artefacts, `${name}-${width}-${scheme}.png`), fullPage });
    }
    await page.setViewportSize({ width: 1440, height: 900 });
    const { violations } = await new axe({ page }).withTags(kAxeTags).analyze();
    const serious = violations.filter((each) => ['serious', 'critical'].includes(each.impact));
    assert.deepEqual(
      serious.map((each) => `${each.id}: ${each.nodes.map((node) => node.html).join(' | ')}`),
      [],
      `${name} in ${scheme}`,
    );
  }
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
}

// A picture for README, with `top` at its top; written when it is wanted, as golden pictures are.
export async function readmePicture(page, name, top = page.locator('body')) {
  if (process.env.INFERNODE_WRITE_GOLDEN !== '1') return;
  await page.setViewportSize({ width: 1200, height: 780 });
  await top.evaluate((element) => scrollTo(0, element.getBoundingClientRect().top + scrollY - 70));
  for (const notice of await page.locator('.notices').getByRole('button', { name: 'Close' }).all()) {
    await notice.click();
  }
  await page.waitForTimeout(300);
  const file = new URL(`../../docs/images/${name}.jpg`, import.meta.url);
  await page.screenshot({ path: fileURLToPath(file), type: 'jpeg', quality: 82 });
  await page.setViewportSize({ width: 1440, height: 900 });
}

// Every stop of the tab key shows that it has the focus.
export async function stops(page, name, most = 60) {
  await page.evaluate(() => document.activeElement?.blur());
  for (let i = 0; i < most; ++i) {
    await page.keyboard.press('Tab');
    const stop = await page.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body) return null;
      const marked = element.closest('label') ?? element;
      const style = [element, marked].map((each) => getComputedStyle(each));
      const box = marked.getBoundingClientRect();
      return {
        html: element.outerHTML.slice(0, 120),
        outlined: style.some((each) => each.outlineStyle !== 'none' && each.outlineWidth !== '0px'),
        seen: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight,
      };
    });
    if (!stop) return;
    assert.ok(stop.outlined && stop.seen, `${name}: the focus does not show: ${JSON.stringify(stop)}`);
  }
}

export async function signIn(page, email, password) {
  await page.goto(base + '/');
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).first().click();
  await page.getByRole('navigation', { name: 'Main' }).waitFor();
}

// The API as the page sees it, with its cookie.
export async function api(page, path, init) {
  return page.evaluate(
    async ([path, init]) => {
      const answer = await fetch(path, init);
      const text = await answer.text();
      return { status: answer.status, body: text === '' ? null : JSON.parse(text) };
    },
    ['/api/v1' + path, init],
  );
}

export { assert };
