/* SPDX-License-Identifier: Apache-2.0 */
#include "emulate.h"

/* SplitMix64 of a counter: equal seeds give equal jitter in every run. */
static uint64_t random_at(uint64_t seed, uint64_t counter)
{
	uint64_t x = seed + (counter + 1) * 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

uint64_t fault_link_send(struct fault_link *link, const struct fault_rules *rules, uint64_t now_ns,
			 uint64_t bytes)
{
	const uint64_t jitter =
		rules->jitter_ns ? random_at(rules->seed, link->messages) % (rules->jitter_ns + 1) : 0;
	uint64_t at;

	if (link->drained_ns < now_ns)
		link->drained_ns = now_ns;
	if (rules->bandwidth)
		link->drained_ns += (uint64_t)((double)bytes * 1e9 / (double)rules->bandwidth);
	at = link->drained_ns + rules->delay_ns + jitter;
	if (at < link->delivered_ns)
		at = link->delivered_ns;
	link->delivered_ns = at;
	link->messages++;
	return at;
}
