/**
 * Limits of the engine that nobody tunes: they follow from the protocol or from the size of a socket buffer. What an
 * operator may want to change is in `EndpointLimits`.
 */

/** Bytes waiting for the peer of one connection, above which nothing more is taken from its queue. */
export const OUTPUT_HIGH_WATER_BYTES = 65_536;

/** How long a peer may leave our bytes unread before its connection is closed. */
export const SLOW_READER_TIMEOUT_MS = 30_000;

/** QoS 1 messages on the wire to one client at once, whatever larger number it offers. */
export const OUTBOUND_IN_FLIGHT_MAX = 32;

/** Connections over `connectionsMax` that are read as far as their CONNECT, so that they can be told why. */
export const REFUSED_CONNECTIONS_MAX = 256;

/** What a paused transport may still hand over, on top of one packet of the largest size. */
export const HELD_BYTES_MAX = 1_048_576;

/** Topics behind an alias are kept for the whole connection, so their length has a limit of its own. */
export const ALIASED_TOPIC_CHARACTERS_MAX = 1_024;

/** Longest filter that is offered to the host. */
export const FILTER_CHARACTERS_MAX = 1_024;

/** Levels of a topic name or filter. */
export const TOPIC_LEVELS_MAX = 200;

/** Longest reason string on the wire. */
export const REASON_STRING_CHARACTERS_MAX = 256;

/** Filters of one SUBSCRIBE or UNSUBSCRIBE packet. */
export const FILTERS_PER_PACKET_MAX = 256;

/** User properties of one packet. */
export const USER_PROPERTIES_MAX = 64;

/** Keepalive: the standard closes after one and a half times the interval. */
export const KEEPALIVE_GRACE = 1.5;

export const PACKET_ID_MAX = 65_535;

/** Packets of one connection that are handled before the other connections have their turn. */
export const PACKETS_PER_TURN_MAX = 128;

/** How often messages over the publish rate are looked at again. */
export const RATE_TICK_MS = 20;

/** A connection that was not over its publish rate for so long is within it. A few windows of a slowed device. */
export const OVER_RATE_CALM_MS = 2_000;

/**
 * How long a connection is left unread, while the host is behind, so that what comes on it gathers; and how long at
 * most until its answers come, as seen at each sweep.
 */
export const GATHER_MS = 800;

/**
 * Who sends more than so many messages within `GATHER_MS` is not left unread for it: he has some on the way whenever
 * answers take a while, and is read again after them.
 */
export const GATHERED_MESSAGES_MAX = 8;

/** How often connections that are left unread for a while are looked at. */
export const GATHER_TICK_MS = 20;

/** How long a packet may take from its first byte to its last, when `EndpointLimits` says nothing else. */
export const PACKET_TIMEOUT_MS = 120_000;
