// All tests, in one process.
import "./calls.js";
import "./webhooks.js";
import "./events.js";
import "./files.js";
import "./pacing.js";
import "./signIn.js";
