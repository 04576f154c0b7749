// What tools and prompts ask the client before they answer.
import { catalogue, filled } from './catalogue.mjs';

/** The rounds of questions of a tool or a prompt; none when it asks nothing. */
export const rounds = (name, args) =>
    (catalogue.questions[name] ?? []).map(round => filled(round, args));

/** The capability that a client must have declared to be asked this. */
export function capability({ method }) {
    return { 'sampling/createMessage': 'sampling', 'roots/list': 'roots' }[method] ?? 'elicitation';
}

/** Those questions that a client can be asked; all of them when there are none. */
export function askable(round, declared) {
    const able = Object.entries(round).filter(([, question]) => declared?.[capability(question)]);
    return able.length ? Object.fromEntries(able) : round;
}

/** Whether this is an answer to that question at all. */
function answers({ method, params }, answer) {
    if (method === 'sampling/createMessage') return typeof answer?.role === 'string';
    if (method === 'roots/list') return Array.isArray(answer?.roots);
    if (answer?.action !== 'accept') return typeof answer?.action === 'string';
    return (params.requestedSchema.required ?? []).every(name => answer.content?.[name] != null);
}

/**
 * How far a client has come that gives these responses: what is still to be
 * asked in which round, or nothing, and all answers so far.
 */
export function progress(name, args, declared, before, responses = {}) {
    const given = { ...before?.answers };
    for (const [round, questions] of rounds(name, args).entries()) {
        if (round < (before?.round ?? 0)) continue;
        const open = askable(questions, declared);
        for (const [key, question] of Object.entries(open)) {
            if (answers(question, responses[key])) given[key] = responses[key];
            if (key in given) delete open[key];
        }
        if (Object.keys(open).length) return { state: { name, round, answers: given }, open };
    }
    return { state: { name, answers: given } };
}
