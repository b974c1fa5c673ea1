/**
 * The script of the operator's page. Whatever comes from the server is set as text, never as markup.
 * The token lives in sessionStorage and in one header: never in an address, where logs would keep it.
 */
export const PAGE_SCRIPT = `
'use strict';
const API = document.documentElement.dataset.api;
const TOKEN = 'bulkhead-operator-token';
const REFRESH_MS = 5000;
const MAX_REDRIVE = 10000;
const STAGES = { process: 'Processing', embed: 'Embedding' };
const $ = (id) => document.getElementById(id);
const numbers = new Intl.NumberFormat('en');
let timer, running, shown;

function node(tag, content, className) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  for (const part of Array.isArray(content) ? content : [content]) {
    if (part !== undefined && part !== null) made.append(part);
  }
  return made;
}

function age(seconds) {
  if (seconds === null) return '–';
  if (seconds < 90) return Math.max(0, Math.round(seconds)) + ' s';
  if (seconds < 5400) return Math.round(seconds / 60) + ' min';
  if (seconds < 172800) return Math.round(seconds / 3600) + ' h';
  return Math.round(seconds / 86400) + ' days';
}

const since = (iso, now) => age((Date.parse(now) - Date.parse(iso)) / 1000) + ' ago';

async function call(path, body) {
  const headers = { Authorization: 'Bearer ' + sessionStorage.getItem(TOKEN) };
  if (body) headers['Content-Type'] = 'application/json';
  const response = await fetch(API + path, {
    method: body ? 'POST' : 'GET', headers, cache: 'no-store', credentials: 'omit',
    redirect: 'error', body: body && JSON.stringify(body), signal: AbortSignal.timeout(120000),
  });
  const answer = await response.json();
  if (response.status === 401) {
    logOut('That token is not the right one.');
    throw new Error('signed out');
  }
  if (!response.ok) throw new Error(answer.detail || 'The server answered ' + response.status);
  return answer;
}

function notice(text, kind) {
  $('notice').textContent = text;
  $('notice').className = kind;
  $('notice').hidden = !text;
}

function logOut(reason) {
  clearTimeout(timer);
  sessionStorage.removeItem(TOKEN);
  $('content').hidden = $('log-out').hidden = true;
  $('login').hidden = false;
  $('login-error').textContent = reason || '';
  $('updated').textContent = '';
  $('token').focus();
}

function tiles(id, entries) {
  $(id).replaceChildren(...entries.map(([term, value, unit]) =>
    node('div', [node('dt', term), node('dd', [numbers.format(value), unit ? node('small', ' ' + unit) : null])])));
}

function rows(id, list, columns, empty, row) {
  $(id).replaceChildren(...(list.length ? list.map((entry) => node('tr', row(entry))) : [emptyRow(columns, empty)]));
}

function emptyRow(columns, text) {
  const cell = node('td', text, 'quiet');
  cell.colSpan = columns;
  return node('tr', cell);
}

function render(status) {
  const now = status.generatedAt;
  const { totals, rates } = status;
  tiles('totals', [['Assets', totals.assets], ['Searchable', totals.searchable],
    ['Failed for good', totals.failed], ['Uploads under way', totals.pendingUploads]]);
  tiles('rates', [['Arrived', rates.arrived, '/min'], ['Searchable', rates.searchable, '/min'],
    ['Failed', rates.failed, '/min']]);
  rows('queues', status.queues, 4, '', (queue) => [
    node('td', STAGES[queue.name]), node('td', numbers.format(queue.waiting), 'number'),
    node('td', numbers.format(queue.depth), 'number'), node('td', age(queue.oldestAgeSeconds), 'number')]);
  const most = Math.max(1, ...status.failures.map((failure) => failure.count));
  // Rebuilding the table would take the focus from a button that is about to be pressed.
  const key = JSON.stringify(status.failures.map(({ code, stage, count }) => [code, stage, count]));
  if (key !== shown) {
    shown = key;
    const focused = document.activeElement && document.activeElement.dataset.cause;
    rows('failures', status.failures, 5, 'Nothing has failed for good.', (failure) => {
      const bar = node('i');
      bar.style.width = Math.max(1, Math.round(failure.count / most * 100)) + '%';
      const button = node('button', 'Redrive…');
      button.type = 'button';
      button.dataset.cause = failure.stage + ' ' + failure.code;
      button.setAttribute('aria-label', 'Redrive ' + failure.count + ' failed by ' + failure.code + ', ' + STAGES[failure.stage]);
      button.addEventListener('click', () => ask(failure));
      return [node('td', [node('code', failure.code), node('span', STAGES[failure.stage], 'quiet narrow'), node('span', bar, 'share')], 'cause'),
        node('td', STAGES[failure.stage], 'optional'), node('td', numbers.format(failure.count), 'number'),
        node('td', since(failure.lastFailedAt, now), 'number optional'), node('td', button, 'number')];
    });
    if (focused) document.querySelector('[data-cause="' + CSS.escape(focused) + '"]')?.focus();
  }
  rows('workers', status.workers, 4, 'No worker has been seen for a day. Cron or another host may do the work.', (worker) => [
    node('td', [node('code', worker.host + ':' + worker.pid)]),
    node('td', worker.processConcurrency + ' + ' + worker.embedConcurrency, 'number optional'),
    node('td', since(worker.startedAt, now), 'number optional'),
    node('td', worker.isAlive ? node('span', '● alive', 'good') : node('span', '○ silent for ' + age(worker.seenSecondsAgo), 'bad'), 'number')]);
  rows('sweeps', status.sweeps, 3, 'No sweep has run yet.', (sweep) => [
    node('td', sweep.name), node('td', since(sweep.ranAt, now), 'number'),
    node('td', sweep.error ? node('span', 'failed: ' + sweep.error, 'bad') : numbers.format(sweep.swept) + ' removed', 'number')]);
}

async function refresh() {
  clearTimeout(timer);
  if (running) return;
  running = true;
  try {
    render(await call('/status'));
    $('login').hidden = true;
    $('content').hidden = $('log-out').hidden = false;
    $('updated').textContent = 'Updated ' + new Date().toLocaleTimeString();
    $('updated').className = '';
  } catch (error) {
    if (sessionStorage.getItem(TOKEN) === null) return;
    $('updated').textContent = 'No answer since ' + new Date().toLocaleTimeString() + ': ' + error.message;
    $('updated').className = 'stale';
  } finally {
    running = false;
    if (sessionStorage.getItem(TOKEN) !== null) timer = setTimeout(refresh, document.hidden ? REFRESH_MS * 6 : REFRESH_MS);
  }
}

let asked;
function ask(failure) {
  asked = failure;
  const count = Math.min(failure.count, MAX_REDRIVE);
  $('ask-text').textContent = numbers.format(count) + ' assets of all users that failed by ' + failure.code +
    ' go back to ' + STAGES[failure.stage].toLowerCase() + ', with all their attempts.';
  $('ask').showModal();
  $('ask-no').focus();
}

$('ask-yes').addEventListener('click', async () => {
  const { code, stage, count } = asked;
  $('ask').close();
  notice('Redriving ' + numbers.format(Math.min(count, MAX_REDRIVE)) + ' assets…', '');
  try {
    const { redriven, remaining } = await call('/redrive', { code, stage, limit: MAX_REDRIVE });
    notice('Redrove ' + numbers.format(redriven) + ' assets that failed by ' + code +
      (remaining ? '; ' + numbers.format(remaining) + ' are left.' : '.'), 'good');
  } catch (error) {
    notice('The redrive did not end well: ' + error.message + ' Look at the counts before you try again.', 'bad');
  }
  refresh();
});
$('ask-no').addEventListener('click', () => $('ask').close());
$('login').addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN, $('token').value.trim());
  $('token').value = '';
  refresh();
});
$('log-out').addEventListener('click', () => logOut());
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && sessionStorage.getItem(TOKEN) !== null) refresh();
});
if (sessionStorage.getItem(TOKEN) === null) logOut();
else refresh();
`;
