import type { CSSResult } from 'lit';
import { base } from './base.css.ts';
import { list } from './list.css.ts';
import { panels } from './panels.css.ts';
import { progress } from './progress.css.ts';
import { tokens } from './tokens.css.ts';
import { zone } from './zone.css.ts';

/** Lit adopts these as constructed sheets: nothing that a strict content security policy refuses. */
export const styles: CSSResult[] = [tokens, base, zone, progress, panels, list];
