// What every TypeScript client does, one step after the other, and what it
// reports of each: `{ ok: … }` or `{ error: … }`. The SDKs differ in how things
// are called; `kit` brings that.
//
// MCP_TAG marks this run's calls, MCP_OBSERVED is where the backend tells what
// it has seen.

const { MCP_TAG, MCP_OBSERVED } = process.env;

/** Longest time for a step, in milliseconds: a step that hangs is a finding. */
const PATIENCE = 20_000;

/** What the user answers. */
export const elicited = () => ({ action: 'accept', content: { answer: 'Ann' } });

/** What the client's model answers. */
export const sampled = () => ({
    role: 'assistant',
    model: 'test',
    content: { type: 'text', text: 'Paris' },
});

/** Runs all steps and prints the report as one line of JSON. */
export async function run(kit) {
    const report = {};
    const step = async (name, work) => {
        let timer;
        const late = new Promise((_, reject) => {
            timer = setTimeout(() => reject(new Error('hangs')), PATIENCE);
        });
        try {
            report[name] = { ok: await Promise.race([work(), late]) };
        } catch (error) {
            report[name] = { error: `${error?.code ?? ''} ${error?.message ?? error}`.trim() };
        } finally {
            clearTimeout(timer);
        }
    };
    await step('connect', kit.connect);
    if (report.connect.error === undefined) {
        for (const [name, work] of Object.entries(STEPS)) await step(name, () => work(kit));
    }
    console.log(JSON.stringify(report));
    await kit.close?.();
    process.exit(0);
}

const STEPS = {
    list: async ({ client }) => ({
        tools: (await client.listTools()).tools.length,
        prompts: (await client.listPrompts()).prompts.length,
        resources: (await client.listResources()).resources.length,
        templates: (await client.listResourceTemplates()).resourceTemplates.length,
    }),
    call: async ({ call }) => {
        const { structuredContent } = await call({ name: 'echo', arguments: { n: 42, text: 'é\u2028' } });
        return structuredContent;
    },
    progress: async ({ call }) => {
        const told = [];
        await call(
            { name: 'count_progress', arguments: { count: 3, interval_ms: 100 } },
            { onprogress: ({ progress }) => told.push(progress) },
        );
        return told;
    },
    elicitation: ({ call }) => text(call({ name: 'ask', arguments: { message: 'Your name?' } })),
    sampling: ({ call }) => text(call({ name: 'ask_model', arguments: { prompt: 'Which capital?' } })),
    cancel: async ({ call }) => {
        const leaving = new AbortController();
        const args = { ms: 60_000, tag: MCP_TAG };
        const calling = call({ name: 'slow_silent', arguments: args }, { signal: leaving.signal });
        const ended = calling.then(
            () => 'answered',
            error => `rejected: ${error.message}`,
        );
        await Promise.race([running(), ended]);
        leaving.abort('no longer wanted');
        return (await ended).startsWith('rejected') ? 'rejected' : 'answered';
    },
    resource: async ({ client }) => {
        const { contents } = await client.readResource({ uri: 'test://static-text' });
        return contents[0].text;
    },
    prompt: async ({ client }) => {
        const { messages } = await client.getPrompt({ name: 'test_simple_prompt' });
        return messages[0].content.text;
    },
};

/** What a tool says; an error when it says that it failed. */
async function text(calling) {
    const { content, isError } = await calling;
    if (isError) throw new Error(content[0].text);
    return content[0].text;
}

/** Waits until the backend is at work on the call to be cancelled. */
async function running() {
    for (;;) {
        const { calls } = await (await fetch(MCP_OBSERVED)).json();
        if (calls.some(({ arguments: args, state }) => args?.tag === MCP_TAG && state === 'running')) return;
        await new Promise(resolve => setTimeout(resolve, 20));
    }
}
