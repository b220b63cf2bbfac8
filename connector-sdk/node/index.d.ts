// The contract of the SDK (README.md). Functions that are not said to throw do not; times are milliseconds.

/** What JSON can hold. A value that it would change silently (undefined, NaN, a Map, a cycle) fails the job by its path. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
export type JsonObject = { readonly [name: string]: Json };

/** Throw it from processJob() to fail the job with a code of ipc/PROTOCOL.md ("invalid_payload", "service_unavailable",
 * ...) or NAME.WORD of your own. Whatever else is thrown fails the job with "internal" and its text. */
export class JobFailure extends Error {
    constructor(code: string, message: string, options?: { retryable?: boolean; details?: object });
    code: string;
    retryable: boolean;
    details?: object;
}

/** Throw it from initialize() when trying again cannot help: exit code 78, no retry before the settings change. Anything
 * else that initialize() throws is retried with back-off. */
export class ConfigurationError extends Error {
    constructor(message: string);
}

/** A result that is JSON text already (of an object). It is sent byte for byte: 64-bit integers and 1.10 stay. */
export class RawResult {
    constructor(text: string);
    readonly text: string;
}

/** Typed reading of an object. null counts as absent; without a fallback the member must be there. A wrong one throws:
 * JobFailure("invalid_payload") of a payload, ConfigurationError of settings; the message names the member. */
export class Members {
    constructor(values: object, options?: { what?: string; path?: string; settings?: boolean });
    has(key: string): boolean;
    string<T extends string>(key: string, fallback: T | undefined, options: { choices: readonly T[] }): T;
    string(key: string, fallback?: string): string;
    string(key: string, fallback: null): string | null;
    /** A whole number below 2^53; larger ones are in Job.payloadText only. */
    integer(key: string, fallback?: number, options?: { within?: readonly [number, number] }): number;
    integer(key: string, fallback: null, options?: { within?: readonly [number, number] }): number | null;
    number(key: string, fallback?: number, options?: { within?: readonly [number, number] }): number;
    number(key: string, fallback: null, options?: { within?: readonly [number, number] }): number | null;
    boolean(key: string, fallback?: boolean): boolean;
    boolean(key: string, fallback: null): boolean | null;
    /** `of`: the kind of each element. */
    array(key: string, fallback: readonly string[] | undefined, options: { of: 'string' }): string[];
    array(key: string, fallback: readonly number[] | undefined, options: { of: 'integer' | 'number' }): number[];
    array(key: string, fallback?: readonly Json[],
          options?: { of?: 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object' }): Json[];
    array(key: string, fallback: null): Json[] | null;
    object(key: string): Members;
    object(key: string, fallback: null): Members | null;
}

/** What the worker does with files of results (ipc/PROTOCOL.md, "Files"). */
export interface FilesOffer {
    readonly stores: readonly string[];
    readonly maxFiles: number;
    readonly released: number;
    /** Of all files of one result together; 0: not limited. */
    readonly maxBytes: number;
    readonly deliver: readonly string[];
    readonly jobs: readonly string[];
}

/** What the supervisor said in `hello`. */
export interface ConnectorSettings {
    readonly workerId: string;
    /** Its configured name. */
    readonly connector: string;
    readonly instance: number;
    /** [connectors.NAME.settings] as it is, and for typed reading. */
    readonly settings: JsonObject;
    readonly members: Members;
    /** Absolute; scratch folder of this instance. */
    readonly workDir: string;
    readonly hub: string;
    /** Configured jobs at a time; it is obeyed, whatever `concurrency` says. */
    readonly concurrency: number | null;
    /** null: the worker takes no files, addFile() throws and release() does nothing. */
    readonly files: FilesOffer | null;
}

export interface Features {
    /** The jobs look at their signal (default true). */
    cancel?: boolean;
    /** setStatus() is called; no jobs come before the first available status. */
    status?: boolean;
    /** processJob() can take over a job whose earlier process died (Job.resume). */
    resume?: boolean;
    /** processJob() may be called while other jobs have all slots; it prepares and then calls waitTurn(). */
    prepare?: boolean;
    /** All that the jobs make goes through addFile(). */
    files?: boolean;
}

export interface Job {
    readonly jobId: string;
    readonly jobType: string;
    readonly priority: number;
    /** From 1. */
    readonly attempt: number;
    readonly resume: boolean;
    /** null: no limit. The supervisor watches the clock. */
    readonly timeoutMs: number | null;
    /** Scratch folder of this job, there already, removed at its end. */
    readonly workDir: string;
    /** W3C trace context, for requests that are made for the job; null: none. */
    readonly traceparent: string | null;
    /** Parsed when it is first asked for; throws JobFailure("invalid_payload"). Numbers beyond 2^53 are rounded here. */
    readonly payload: JsonObject;
    readonly members: Members;
    /** The payload's JSON as the client wrote it. */
    readonly payloadText: string;
}

/** A file that a job has made. At least one of path and url. */
export interface OutputFile {
    /** Of a regular file in Job.workDir: relative to it, or absolute; without ".." and links. */
    path?: string;
    /** Where the service serves it; what the store "reference" hands out. */
    url?: string;
    /** For the client; default: the last part of path, else of the URL's path. */
    name?: string;
    mimeType?: string;
    kind?: string;
    node?: string;
    /** Stores in the order in which they are tried; default: the configured ones. */
    deliver?: readonly string[];
    stripMetadata?: boolean;
    /** Further members of its entry in the result. */
    more?: JsonObject;
}

export interface ProgramOptions {
    /** Ends the program's whole group: SIGTERM, SIGKILL after 2 s. runProgram() throws its reason. */
    signal?: AbortSignal | null;
    /** For its stdin; default: /dev/null. */
    input?: string | Uint8Array | null;
    cwd?: string | null;
    env?: { [name: string]: string | undefined };
    timeoutMs?: number | null;
    /** Bytes that are kept of each of stdout and stderr, the newest; default 1 MiB. */
    maxOutput?: number | null;
    /** Throw for an exit code other than 0, with the last line on stderr; default true. */
    check?: boolean;
    /** Each line of stdout and stderr (ended by \n or \r) while it runs. */
    onLine?: (line: string) => void;
}

export interface ProgramResult {
    /** Negative: the signal that ended it. */
    exitCode: number;
    stdout: string;
    stderr: string;
    truncated: boolean;
}

/** Runs a program in a session and process group of its own, without this process' stdin and stdout. What it leaves in
 * its group ends with it. Throws JobFailure: "internal" (not started, exit code), "timeout". */
export function runProgram(argv: readonly string[], options?: ProgramOptions): Promise<ProgramResult>;

/** The line to the supervisor while one job runs. Calls after its end do nothing. */
export interface JobContext {
    /** `percent` is clamped to 0..100; null: alive, amount unknown. One per 50 ms is sent, the newest wins. */
    progress(percent: number | null | undefined, message?: string, status?: string, details?: object): void;
    /** Aborts when the job is to stop (cancelled, or the connector leaves): for fetch() and the like. */
    readonly signal: AbortSignal;
    /** The same; also right in code that blocks the event loop. What the job returns is not delivered then. */
    cancelled(): boolean;
    cancelReason(): string;
    /** It is to stop because the supervisor has gone without a word: the job may come again. */
    supervisorGone(): boolean;
    /** Sleeps; true at once when the job is cancelled, false when the time is over (Infinity: never). */
    waitCancelled(milliseconds: number): Promise<boolean>;
    /** Once; soon if it is cancelled already. What the callback throws fails the job. */
    onCancel(callback: () => void): void;
    hasTurn(): boolean;
    /** With Features.prepare: true when the job begins; false: it was cancelled before. */
    waitTurn(): Promise<boolean>;
    serviceRequest(service: string, requestType: string, content?: object): void;
    accepted(): void;
    log(level: LogLevel, message: string, fields?: object): void;
    /** The next job may begin while this one fetches, writes or checks its files. */
    release(): boolean;
    /** Adds a file to the result; what it returns goes into the result, once or more often. Throws JobFailure. */
    addFile(file: OutputFile): { $file: number };
    addFile(path: string, file?: Omit<OutputFile, 'path'>): { $file: number };
    /** runProgram() in Job.workDir that ends with the job: at a cancel, and when processJob() ends and nobody has waited. */
    runProgram(argv: readonly string[], options?: ProgramOptions): Promise<ProgramResult>;
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** The connector's line to the supervisor outside of jobs. */
export interface ConnectorContext {
    /** State of the outside service; not available: no new jobs. */
    setStatus(connected: boolean, available?: boolean, reason?: string, service?: string, details?: object): void;
    /** Tells them, and jobTypes and concurrency anew; rejects with ConfigurationError where those are of a wrong kind. */
    updateCapabilities(capabilities?: object): Promise<void>;
    restartService(reason?: string): void;
    log(level: LogLevel, message: string, fields?: object): void;
    /** From initialize(): still at work (a download). Percent, or null. An older worker is not told. */
    preparing(progress?: number | null, message?: string): void;
    /** Present values for the operator's monitoring: names are [a-z][a-z0-9_]{0,63}, at most 50 in all; others are left out. An
     * older worker is not told. */
    metrics(figures: { counters?: Record<string, number>; gauges?: Record<string, number> }): void;
    /** The supervisor asked the connector to leave. */
    stopping(): boolean;
}

type ValueOrFunction<T> = T | (() => T | Promise<T>);

/** A connector: an object or an instance of a class of yours. Only processJob must be there. */
export interface Connector {
    name?: ValueOrFunction<string>;
    version?: ValueOrFunction<string>;
    /** Default: what the configuration names. */
    jobTypes?: ValueOrFunction<readonly string[]>;
    capabilities?: ValueOrFunction<object>;
    /** Jobs at a time where the configuration does not say it; default 1. */
    concurrency?: ValueOrFunction<number>;
    features?: ValueOrFunction<Features>;
    initialize?(settings: ConnectorSettings, context: ConnectorContext): void | Promise<void>;
    /** For `emprops-worker check-config`: throws what initialize() would throw, returns what it would warn of. */
    checkSettings?(settings: ConnectorSettings): readonly string[] | Promise<readonly string[]>;
    processJob(job: Job, context: JobContext): object | Promise<object>;
    /** Once no job runs any more. */
    shutdown?(): void | Promise<void>;
}

/** Speaks the protocol until the supervisor ends it; then the process exits. */
export function runConnector(connector: Connector): Promise<never>;
