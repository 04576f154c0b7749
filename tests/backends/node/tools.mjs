// What the tools do, whatever the SDK. `kit` brings what an SDK does its own
// way: { signal, progress(step, total, message), log(message), closeStream(),
// tell(change), unknown(message) }.
import { setTimeout as sleep } from 'node:timers/promises';

import { catalogue } from './catalogue.mjs';

/** Pause between two messages of a tool, in milliseconds. */
const PAUSE = 50;

const text = text => ({ content: [{ type: 'text', text }] });

/** Calls a tool whose questions are answered. */
export async function perform(tool, args, answers, kit) {
    const pause = ms => sleep(ms, undefined, { signal: kit.signal });
    if (Object.hasOwn(catalogue.answers, tool)) return catalogue.answers[tool];
    if (Object.keys(answers).length) return text(JSON.stringify(answers));
    switch (tool) {
        case 'echo':
            return { ...text(JSON.stringify(args)), structuredContent: args };
        case 'slow_silent':
            await pause(args.ms ?? 0);
            return text('Waited.');
        case 'big':
            return text('x'.repeat(args.bytes ?? 0));
        case 'test_tool_with_progress':
            await count(3, PAUSE, 50, kit, pause);
            return text('Progressed.');
        case 'count_progress':
            await count(args.count ?? 0, args.interval_ms ?? 0, 1, kit, pause);
            return text('Counted.');
        case 'test_tool_with_logging':
            for (const message of ['started', 'goes on', 'completed']) {
                await kit.log(`Tool execution ${message}`);
                await pause(PAUSE);
            }
            return text('Logged.');
        case 'test_logging_tool':
            await kit.log('Logged on demand');
            return text('Logged.');
        case 'test_reconnection':
            kit.closeStream();
            await pause(2 * PAUSE);
            return text('Answered after all.');
        case 'test_trigger_tool_change':
            kit.tell({ what: 'tools' });
            return text('Told.');
        case 'test_trigger_prompt_change':
            kit.tell({ what: 'prompts' });
            return text('Told.');
        case 'trigger':
            kit.tell(args);
            return text('Told.');
        default:
            throw kit.unknown(`Unknown tool: ${tool}`);
    }
}

async function count(steps, ms, size, kit, pause) {
    for (let step = 0; step < steps; step += 1) {
        await pause(ms);
        await kit.progress(step * size, (steps - 1) * size, `step ${step}`);
    }
}
