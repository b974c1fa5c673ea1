import { createHash } from 'node:crypto';
import { PAGE_SCRIPT } from './page-script.ts';
import { PAGE_STYLE } from './page-style.ts';

const hashOf = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/**
 * Nothing but this page's own style and script, and requests to its own host. Widths of bars are set by
 * script on the style object, which CSP does not count as inline style.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `style-src ${hashOf(PAGE_STYLE)}`,
  `script-src ${hashOf(PAGE_SCRIPT)}`,
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

/**
 * The operator's page, whole in one answer.
 *
 * @param api the path of its API; of characters that need no escape (see the option `basePath`)
 */
export function adminPage(api: string): { html: string; contentSecurityPolicy: string } {
  return { html: html(api), contentSecurityPolicy: CONTENT_SECURITY_POLICY };
}

const html = (api: string) => `<!doctype html>
<html lang="en" data-api="${api}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Bulkhead: operator</title>
<link rel="icon" href="data:,">
<style>${PAGE_STYLE}</style>
</head>
<body>
<header>
<h1>Bulkhead <span>operator</span></h1>
<span id="updated" role="status"></span>
<button id="log-out" type="button" hidden>Forget the token</button>
</header>
<form id="login" hidden>
<h2>Operator token</h2>
<p class="quiet">It is kept in this tab until it is closed.</p>
<input id="token" type="password" autocomplete="off" spellcheck="false" required aria-label="Operator token" aria-describedby="login-error">
<p id="login-error" class="bad" role="alert"></p>
<div class="actions"><button class="main">Show the status</button></div>
</form>
<main id="content" hidden>
<p id="notice" role="status" hidden></p>
<section class="wide" aria-labelledby="h-totals"><h2 id="h-totals">Now</h2><dl id="totals" class="tiles"></dl></section>
<section aria-labelledby="h-queues"><h2 id="h-queues">Queues</h2>
<table><thead><tr><th scope="col">Stage</th><th scope="col" class="number">Assets</th><th scope="col" class="number">Jobs</th><th scope="col" class="number">Oldest</th></tr></thead><tbody id="queues"></tbody></table></section>
<section aria-labelledby="h-rates"><h2 id="h-rates">Last five minutes</h2><dl id="rates" class="tiles"></dl></section>
<section class="wide" aria-labelledby="h-failures"><h2 id="h-failures">Failed for good, by cause</h2>
<table><thead><tr><th scope="col">Cause</th><th scope="col" class="optional">Stage</th><th scope="col" class="number">Assets</th><th scope="col" class="number optional">Last</th><th scope="col" aria-label="Redrive"></th></tr></thead><tbody id="failures"></tbody></table></section>
<section aria-labelledby="h-workers"><h2 id="h-workers">Workers</h2>
<table><thead><tr><th scope="col">Process</th><th scope="col" class="number optional">Slots</th><th scope="col" class="number optional">Started</th><th scope="col" class="number">State</th></tr></thead><tbody id="workers"></tbody></table></section>
<section aria-labelledby="h-sweeps"><h2 id="h-sweeps">Sweeps</h2>
<table><thead><tr><th scope="col">Sweep</th><th scope="col" class="number">Last run</th><th scope="col" class="number">Result</th></tr></thead><tbody id="sweeps"></tbody></table></section>
</main>
<dialog id="ask" aria-labelledby="ask-title" aria-describedby="ask-text">
<h2 id="ask-title">Redrive these assets?</h2>
<p id="ask-text"></p>
<p class="bad">This cannot be undone. If the cause is still there, they will fail again, and calls to providers cost again.</p>
<div class="actions"><button id="ask-no" type="button">Cancel</button><button id="ask-yes" type="button" class="main">Redrive</button></div>
</dialog>
<script>${PAGE_SCRIPT}</script>
</body>
</html>
`;
