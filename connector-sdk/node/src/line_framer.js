// Bytes -> lines. Pure. A line is decoded when it is whole, so that no character is torn wherever the bytes were cut.

const headBytes = 4096;

export class LineFramer {
    /** `onLine(text)`, `onOverlong(head, bytes)`. `limit` in bytes, without the newline. */
    constructor(limit, onLine, onOverlong) {
        this.limit = limit;
        this.onLine = onLine;
        this.onOverlong = onOverlong;
        this.reset();
    }

    reset() {
        this.parts = [];
        this.bytes = 0;
    }

    feed(chunk) {
        let begin = 0;
        for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, begin)) {
            this.add(chunk.subarray(begin, end));
            this.finishLine();
            begin = end + 1;
        }
        if (begin < chunk.length) this.add(chunk.subarray(begin));
    }

    add(part) {
        this.bytes += part.length;
        // Of a line that is too long only the beginning is kept.
        if (this.bytes > this.limit) {
            const kept = Buffer.concat(this.parts.length > 0 ? this.parts : [part]);
            this.parts = [Buffer.from(kept.subarray(0, headBytes))];
        }
        else this.parts.push(Buffer.from(part));  // the caller's buffer is used again
    }

    finishLine() {
        const { parts, bytes } = this;
        this.reset();
        if (bytes === 0) return;
        const line = (parts.length === 1 ? parts[0] : Buffer.concat(parts)).toString('utf8');
        if (bytes > this.limit) this.onOverlong(line, bytes);
        else this.onLine(line);
    }

    /** The end of input: a last line without a newline counts. */
    finish() {
        this.finishLine();
    }
}
