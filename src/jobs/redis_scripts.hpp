#pragma once

#include <array>
#include <string>
#include <string_view>

// Every change of a job's state on Redis is one of these scripts: it happens as a whole or not at all, and it
// invalidates the WATCHes of RQ's clients. docs/formats/redis.md lists the keys. Common to all:
//   ARGV[1]  microseconds added to the server's clock (0 but in tests)
// Times come from the server (TIME), so that the clocks of clients do not matter. Scripts are bounded: where
// a script walks a list, it looks at a fixed number of entries and the caller comes again.

namespace simul::detail {

enum class redis_script {
    enqueue,            // dependents_max walk_max n, per job: id queue due|'' front created_at tolerant
                        //   ndependencies dependency... nfields (field value)...
                        //   -> last result ids; errors IDINUSE, NODEPENDENCY, LATER, CYCLE, DEPENDENTS, WALK
    take,               // worker limit again nqueues queue... nskip skip... execution... (limit of them)
                        //   -> {state, {id, execution, queue, HGETALL}...}
    finish,             // worker n, per outcome: id execution success may_retry stopped value exc started
                        //   ended started_float ended_float -> per outcome {kind, due|'', kept|''}
    hand_back,          // worker n (id execution)... -> number handed back
    register_worker,    // worker lease_s nqueues queue... nfields (field value)... nsimul (field value)...
                        //   -> 'ok'; error NAMETAKEN
    unregister_worker,  // worker -> 'ok'
    heartbeat,          // worker lease_s rq_records state host overdue_us stopping
                        //   -> {known, suspended, now, due, peers}
    recover,            // worker last_heartbeat evidence deaths_max rerun poison abandoned
                        //   -> {recovered, requeued, failed}
    maintain,    // cleanup abandoned stuck nqueues queue... -> {due ids, expired, abandoned ids, next due}
    cancel,      // id enqueue_dependents -> 'ok'; errors NOJOB, WRONGSTATE
    stop,        // id id_as_json -> {number of listeners, worker}; errors NOJOB, WRONGSTATE
    requeue,     // id walk_max -> 'ok'; errors NOJOB, WRONGSTATE, CYCLE, WALK
    remove,      // id -> 'ok'; error NOJOB
    dependents,  // id limit -> ids
    overview,    // -> {now, suspended (PTTL), queues, workers}
    empty,       // queue left|'' limit -> {removed, left|''}
    requeue_failed,  // queue place|'' limit -> {requeued, place|''}
};
inline constexpr std::size_t redis_script_count = 17;

/// The script's text with the common part in front.
const std::string& text_of(redis_script s);
std::string_view name_of(redis_script s);

}  // namespace simul::detail
