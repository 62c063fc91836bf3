/* SPDX-License-Identifier: Apache-2.0 */
/* trace:tcp writes down what it passes on, no more than it has room for, as events that a viewer opens. */
#include <jansson.h>
#include <unistd.h>

#include "../../plugins/transport-tcp/tcp.h"
#include "ranks.h"

#define TRACE LSB_BINARY_DIR "/plugins/lsbench-transport-trace.so"
#define TCP LSB_BINARY_DIR "/plugins/lsbench-transport-tcp.so"

/* As in transport-trace/plugin.c; the descriptor's options_size guards against drift. */
struct trace_options {
	int64_t events;
	uint32_t progress, reserved;
};

static struct trace_options options;
static const struct tcp_options tcp_options = { .wait = { .how = WAIT_HYBRID, .spin_ns = 50000 },
						.nodelay = 1 };
static struct lsb_inner inner;
static struct lsb_host tcp_host;
static struct ranks ranks;
static char folder[] = "/tmp/lsbench-trace-XXXXXX";
static int opened;

/* Where rank `opened` may leave its file: the ranks of this process open one after the other. */
static int file_path(void *context, const char *name, char *to, size_t bytes, struct lsb_error *err)
{
	(void)context;
	if (opened < 0)
		return lsb_fail(err, LSB_EUNAVAIL, 0, "no files today");
	(void)snprintf(to, bytes, "%s/%d.%s", folder, opened++, name);
	return LSB_OK;
}

static void prepare(int64_t events)
{
	const struct lsb_plugin *trace = testhost_plugin(TRACE);

	ck_assert_uint_eq(trace->options_size, sizeof(options));
	ck_assert_uint_ne(trace->flags & LSB_PLUGIN_INTERPOSER, 0);
	options = (struct trace_options){ .events = events };
	tcp_host = testhost(NULL);
	inner = (struct lsb_inner){ .struct_size = sizeof(inner),
				    .name = "tcp",
				    .ops = testhost_plugin(TCP)->ops.transport,
				    .options = &tcp_options,
				    .host = &tcp_host };
	opened = 0;
	ranks_init(&ranks, trace, &options, 2);
	ranks.host = testhost(&inner);
	ranks.host.file_path = file_path;
}

static void start(int64_t events)
{
	strcpy(strrchr(folder, '-'), "-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	prepare(events);
	ranks_open(&ranks);
	ranks_connect(&ranks);
	for (int i = 0; i < 2; i++)
		ck_assert_msg(ranks.rc[i] == LSB_OK, "%s", ranks.err[i].msg);
}

/* Close, and read what rank `rank` wrote; the files are removed. */
static json_t *finish(int rank)
{
	json_t *trace = NULL;
	json_error_t why;
	char path[128];

	ranks_close(&ranks);
	for (int i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/%d.trace.tcp.json", folder, i);
		if (i == rank) {
			trace = json_load_file(path, 0, &why);
			ck_assert_msg(trace != NULL, "line %d: %s", why.line, why.text);
		}
		ck_assert_int_eq(unlink(path), 0);
	}
	ck_assert_int_eq(rmdir(folder), 0);
	return trace;
}

/* Event `nth` (from 0) whose name begins with `name` and whose phase is `phase`; NULL if there is none. */
static const json_t *event(const json_t *trace, const char *name, const char *phase, size_t nth)
{
	const json_t *list = json_object_get(trace, "traceEvents"), *e;
	size_t i;

	json_array_foreach(list, i, e)
	{
		const char *its = json_string_value(json_object_get(e, "name"));

		if (strncmp(its, name, strlen(name)) == 0 &&
		    strcmp(json_string_value(json_object_get(e, "ph")), phase) == 0 && nth-- == 0)
			return e;
	}
	return NULL;
}

static json_int_t argument(const json_t *e, const char *name)
{
	const json_t *value = json_object_get(json_object_get(e, "args"), name);

	ck_assert_msg(json_is_integer(value), "no argument %s", name);
	return json_integer_value(value);
}

static double at(const json_t *e)
{
	return json_number_value(json_object_get(e, "ts"));
}

/* Rank 0 sends `n` messages of 10, 20, ... bytes under tags 1, 2, ...; rank 1 looks once in vain first. */
static void messages(uint32_t n)
{
	uint8_t out[100], in[100];

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t received = ranks_receive(&ranks, 1, 0, 1 + i, in, 100);
		struct lsb_completion done;
		uint32_t sent;

		memset(out, (int)i + 1, sizeof(out));
		for (int look = 0; look < 5; look++)
			ck_assert_int_eq(ranks_wait(&ranks, 1, received, 0, &done), LSB_ETIMEDOUT);
		sent = ranks_send(&ranks, 0, 1, 1 + i, out, 10 * (size_t)(i + 1));
		ck_assert_uint_eq(ranks_finish(&ranks, 1, received), 10 * (i + 1));
		ranks_finish(&ranks, 0, sent);
		ck_assert_mem_eq(in, out, 10 * (size_t)(i + 1));
	}
}

START_TEST(every_message_is_written_with_peer_tag_size_and_time)
{
	struct lsb_wire_counters wire = { .struct_size = sizeof(wire) };
	uint64_t begun, ended;
	json_t *trace;

	start(1000);
	begun = testhost_now(NULL);
	messages(3);
	ended = testhost_now(NULL);
	ck_assert_int_eq(ranks.ops->counters(ranks.t[1], &wire, &ranks.err[1]), LSB_OK);
	ck_assert_uint_eq(wire.messages_received, 3);
	ck_assert_uint_eq(ranks.ops->mem_caps_here(ranks.t[0]), 1u << LSB_MEM_HOST | 1u << LSB_MEM_PINNED);
	trace = finish(1);
	for (uint32_t i = 0; i < 3; i++) {
		const json_t *call = event(trace, "irecv", "X", i), *b = event(trace, "receive", "b", i);
		const json_t *e = event(trace, "receive", "e", i),
			     *looks = event(trace, "wait_any", "X", 2 * i);

		ck_assert(call && b && e && looks);
		ck_assert_int_eq(argument(call, "peer"), 0);
		ck_assert_int_eq(argument(call, "tag"), 1 + i);
		ck_assert_int_eq(argument(call, "bytes"), 100);
		ck_assert_int_eq(argument(e, "bytes"), 10 * (i + 1));
		ck_assert_int_eq(argument(e, "status"), LSB_OK);
		ck_assert_str_eq(json_string_value(json_object_get(b, "id")),
				 json_string_value(json_object_get(e, "id")));
		ck_assert(at(b) * 1e3 >= (double)begun && at(e) * 1e3 <= (double)ended);
		ck_assert(at(b) <= at(e));
		ck_assert_int_eq(argument(looks, "looks"), 5); /* in vain: one event */
		ck_assert_int_eq(argument(looks, "status"), LSB_ETIMEDOUT);
	}
	ck_assert_ptr_null(event(trace, "receive", "b", 3));
	ck_assert_ptr_nonnull(event(trace, "connect", "X", 0));
	ck_assert_ptr_nonnull(event(trace, "process_name", "M", 0));
	json_decref(trace);
}
END_TEST

START_TEST(what_has_no_room_is_counted)
{
	const json_t *other;
	json_t *trace;

	start(4);
	messages(3);
	trace = finish(0);
	other = json_object_get(trace, "otherData");
	/* rank 0: a connect, and for each message isend, wait_any and the message */
	ck_assert_int_eq(json_integer_value(json_object_get(other, "events")), 4);
	ck_assert_int_eq(json_integer_value(json_object_get(other, "left_out")), 1 + 3 * 3 - 4);
	ck_assert_int_eq(json_integer_value(json_object_get(other, "never_completed")), 0);
	json_decref(trace);
}
END_TEST

START_TEST(no_place_for_the_file_is_an_error_before_the_run)
{
	prepare(10);
	opened = -1;
	ck_assert_int_eq(ranks.ops->open(&ranks.host, &options, &ranks.world[0], &ranks.t[0], &ranks.err[0]),
			 LSB_EUNAVAIL);
	ck_assert_str_eq(ranks.err[0].msg, "no files today");
	ranks.host.file_path = NULL;
	ck_assert_int_eq(ranks.ops->open(&ranks.host, &options, &ranks.world[0], &ranks.t[0], &ranks.err[0]),
			 LSB_EUNAVAIL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trace");
	TCase *tc = tcase_create("trace");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, every_message_is_written_with_peer_tag_size_and_time);
	tcase_add_test(tc, what_has_no_room_is_counted);
	tcase_add_test(tc, no_place_for_the_file_is_an_error_before_the_run);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
