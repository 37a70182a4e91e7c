// What follows the build of the dashboard: the documents beside it, the example clip, and of each file
// that can be made smaller a .br and a .gz, which the server sends as they are.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { marked } from 'marked';

const out = '../build/web';

function guide(name, markdown) {
  const title = /^# (.*)$/m.exec(markdown)?.[1] ?? name;
  const ids = new Map();
  const renderer = {
    heading({ tokens, depth, text }) {
      const base = text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '');
      const seen = ids.get(base) ?? 0;
      ids.set(base, seen + 1);
      const id = seen === 0 ? base : `${base}-${seen}`;
      return `<h${depth} id="${id}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
    },
    // Links to the other documents are links to their pages; those to the sources are text.
    link({ href, tokens }) {
      const text = this.parser.parseInline(tokens);
      const page = /^([a-z]+)\.md(#.*)?$/.exec(href);
      if (page) {
        return `<a href="${page[1]}.html${page[2] ?? ''}">${text}</a>`;
      }
      return /^(https:|#)/.test(href) ? `<a href="${href}">${text}</a>` : text;
    },
    image: ({ text }) => text,
    code({ text }) {
      const escaped = text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
      return `<pre tabindex="0"><code>${escaped}</code></pre>\n`;
    },
  };
  marked.use({ renderer });
  // A table that is wider than a phone is moved sideways, with the keyboard too.
  const body = marked
    .parse(markdown)
    .replaceAll('<table>', '<div class="wide" tabindex="0" role="group" aria-label="Table"><table>')
    .replaceAll('</table>', '</table></div>');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · InferNode</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/docs/guide.css">
</head>
<body>
<nav aria-label="Documentation">
<a href="/">InferNode</a>
${guides.map((each) => `<a href="${each}.html"${each === name ? ' aria-current="page"' : ''}>${each}</a>`).join('\n')}
<a href="/docs">API</a>
</nav>
<main>
${body}
</main>
</body>
</html>
`;
}

const guides = readdirSync('../docs')
  .filter((file) => file.endsWith('.md'))
  .map((file) => basename(file, '.md'));
mkdirSync(join(out, 'docs'), { recursive: true });
for (const name of guides) {
  writeFileSync(join(out, 'docs', `${name}.html`), guide(name, readFileSync(`../docs/${name}.md`, 'utf8')));
}
for (const file of readdirSync('docs')) {
  copyFileSync(join('docs', file), join(out, 'docs', file));
}
for (const file of ['swagger-ui-bundle.js', 'swagger-ui.css']) {
  copyFileSync(join('node_modules/swagger-ui-dist', file), join(out, 'docs', file));
}
copyFileSync('../examples/street.mp4', join(out, 'example.mp4'));

for (const entry of readdirSync(out, { recursive: true, withFileTypes: true })) {
  const file = join(entry.parentPath, entry.name);
  if (!entry.isFile() || !/\.(html|js|css|svg|json)$/.test(entry.name)) {
    continue;
  }
  const content = readFileSync(file);
  writeFileSync(
    file + '.br',
    brotliCompressSync(content, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: 11,
        [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
      },
    }),
  );
  writeFileSync(file + '.gz', gzipSync(content, { level: 9 }));
  rmSync(file);
}
