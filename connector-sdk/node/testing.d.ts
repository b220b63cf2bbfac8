// A supervisor in memory, so that handlers are unit-tested (README.md).
import type { Connector, JsonObject } from './index.js';

export interface Message {
    type: string;
    job_id?: string;
    [member: string]: any;
}

export interface Options {
    /** [connectors.NAME.settings] */
    settings?: object;
    /** For each wait; default 10000. */
    timeoutMs?: number;
    /** More members of `hello`; null: without it ({files: null}: a worker that takes no files). */
    hello?: { [member: string]: any };
}

export interface JobOptions {
    jobId?: string;
    jobType?: string;
    attempt?: number;
    resume?: boolean;
    prepare?: boolean;
    timeout_ms?: number;
    traceparent?: string;
}

/** What came of a job. */
export interface Outcome {
    /** undefined: it failed. */
    result: any;
    error: undefined | { code: string; message: string; retryable?: boolean; details?: JsonObject };
    files: Message[];
    progress: Message[];
    log: Message[];
    messages: Message[];
    workDir: string;
    /** The content of the nth file. */
    read(index: number): Uint8Array & { toString(encoding?: string): string };
}

export class Supervisor {
    constructor(connector: Connector, options?: Options);
    readonly messages: Message[];
    readonly lines: string[];
    readonly exitCode: number | null;
    /** Returns `ready`; throws with the reason if the connector cannot start. */
    start(): Promise<Message>;
    send(message: Message): void;
    /** Gives a job; returns its id. */
    give(payload?: object, job?: JobOptions): string;
    cancel(jobId?: string, reason?: string): void;
    /** The message of one of these types (the count-th of them); rejects if it does not come in time. */
    wait(types: string | readonly string[], options?: { jobId?: string; count?: number }): Promise<Message>;
    outcome(jobId?: string): Promise<Outcome>;
    /** Returns the exit code. */
    stop(): Promise<number>;
}

/** Starts the connector, gives it one job and returns what came of it. `cancelAt`: the type of the message ("accepted",
 * "progress") at which the job is cancelled. */
export function run(connector: Connector, payload?: object,
                    options?: Options & JobOptions & { cancelAt?: string }): Promise<Outcome>;
