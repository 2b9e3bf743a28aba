#!/usr/bin/env node
// A file that is there before the first build: npm links a program when it installs, and only if it exists.
import '../dist/main.js';
