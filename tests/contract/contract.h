// What every backend promises (core/gpu.h), as functions that take an open device. Each
// returns ZM_OK, or a status whose detail says what was promised and what was found. A
// test file a backend calls them: see test_contract_cpu.c.
#ifndef ZM_TESTS_CONTRACT_H
#define ZM_TESTS_CONTRACT_H

#include "core/gpu.h"

// X(name): zm_contract_<name>
#define ZM_CONTRACTS(X)                                                                  \
    X(buffers_begin_as_zeros)                                                            \
    X(a_run_sees_the_upload_before_it_and_none_after)                                    \
    X(tickets_give_the_bytes_of_their_time)                                              \
    X(tickets_become_ready_without_a_wait)                                               \
    X(a_program_replays_many_times)                                                      \
    X(hazards_between_dispatches_are_kept)                                               \
    X(elements_beyond_one_grid_are_computed)                                             \
    X(tiles_at_the_edges_are_computed)                                                   \
    X(every_aligned_slice_works)                                                         \
    X(large_buffers_work_to_the_end)                                                     \
    X(bad_slices_are_refused)                                                            \
    X(bad_dispatches_are_refused)                                                        \
    X(bad_programs_buffers_and_tickets_are_refused)                                      \
    X(exhausted_memory_is_an_error_and_passes)                                           \
    X(buffers_and_programs_go_while_work_is_in_flight)

#define ZM_CONTRACT(name) zm_status zm_contract_##name(zm_gpu *gpu);
ZM_CONTRACTS(ZM_CONTRACT)
#undef ZM_CONTRACT

#endif
