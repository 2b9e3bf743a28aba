# One image for all parts of a cluster; docker-compose.yml names the command of each.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY . .
# The image brings its own Node, and no package needs its install script to work.
RUN npm ci --include=dev --ignore-scripts --no-audit --no-fund
RUN node tools/build.mjs
# The embedded engine and everything that only builds or tests stays behind.
RUN npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
 && rm -rf node_modules/chdb node_modules/@chdb node_modules/node node_modules/typescript \
      apps/standalone apps/embedded-clickhouse bench test tools \
 && find node_modules/@temporalio/core-bridge/releases -mindepth 1 -maxdepth 1 ! -name '*-linux-gnu' -exec rm -rf {} + \
 && find . -path ./node_modules -prune -o -type d -name src -exec rm -rf {} +

FROM node:24-bookworm-slim
# The user below has no entry in /etc/passwd, and a library asks for the home folder while it is loaded.
ENV NODE_ENV=production HOME=/tmp
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/libs libs
COPY --from=build /app/apps apps
COPY --from=build /app/temporal temporal
# The api serves this page: the type of every problem answer points at it.
COPY --from=build /app/docs/errors.md docs/errors.md
# A number, so that Kubernetes can see that it is not root; nothing in the image is its own, and nothing has to be.
USER 10001:10001
CMD ["node", "apps/api/dist/main.js"]
