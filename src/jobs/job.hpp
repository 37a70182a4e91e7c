#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/id.hpp"
#include "core/tokens.hpp"
#include "core/words.hpp"

namespace infernode {

enum class JobStatus { pending, running, failed, aborted, completed };
template <>
struct Words<JobStatus> {
  static constexpr std::pair<JobStatus, std::string_view> all[]{
      {JobStatus::pending, "PENDING"},
      {JobStatus::running, "RUNNING"},
      {JobStatus::failed, "FAILED"},
      {JobStatus::aborted, "ABORTED"},
      {JobStatus::completed, "COMPLETED"}};
};

constexpr bool has_ended(JobStatus status) {
  return status != JobStatus::pending && status != JobStatus::running;
}

// What keeps a job that is not being worked on.
enum class WaitingFor {
  turn,    // other work goes first
  limit,   // its user has as many segments under way as it may
  worker,  // none that is at work can do it
  disk,    // the database's disk is full
  retry,   // an attempt failed, and the next one comes later
};
template <>
struct Words<WaitingFor> {
  static constexpr std::pair<WaitingFor, std::string_view> all[]{{WaitingFor::turn, "turn"},
                                                                 {WaitingFor::limit, "limit"},
                                                                 {WaitingFor::worker, "worker"},
                                                                 {WaitingFor::disk, "disk"},
                                                                 {WaitingFor::retry, "retry"}};
};
struct Waiting {
  WaitingFor reason = WaitingFor::worker;
  std::string detail;
  // Of other jobs, that are worked on before its first, or in part before it: about so many.
  std::int64_t images_ahead = 0;
};

// How a job's energy and grams were found.
struct EnergySource {
  std::string method;       // energy::Energy::method of all segments: "rapl"
  std::string grid_source;  // of the grams per kWh
};

struct Job {
  JobId id;
  DatasetId dataset;
  UserId user;
  VideoId video;
  JobStatus status = JobStatus::pending;
  boost::json::value params;
  int priority = 0;          // among its user's jobs
  int image_count = 0;       // selected frames
  int done = 0;              // processed, segments under way included
  Tokens price;              // per image, as of acceptance
  Tokens cost;               // after refunds
  int carbon_footprint = 0;  // grams of CO2e, rounded
  double energy_joules = 0;
  double carbon_grams = 0;
  std::optional<std::string> error;
  int attempt = 1;
  // The next two are looked up for single jobs only.
  std::optional<Waiting> waiting;
  std::optional<EnergySource> energy_source;  // once it has a result
  Timestamp created_at;
  Timestamp updated_at;
  std::optional<Timestamp> started_at;
  std::optional<Timestamp> finished_at;
};

// A job that is priced and planned, but not accepted yet.
struct NewJob {
  JobId id;
  UserId user;
  VideoId video;
  boost::json::object params;
  int image_count = 0;
  int segment_count = 0;  // of frames
  Tokens price;
  Tokens cost;
};

struct JobFilter {
  std::optional<JobStatus> status;
  std::optional<DatasetId> dataset;
  std::optional<VideoId> video;
};

}  // namespace infernode
