#include "runner/host/model_tester.hpp"

#include <fmt/format.h>

#include <cmath>

#include "core/json.hpp"
#include "core/log.hpp"
#include "runner/limits.hpp"

namespace infernode::runner {
namespace {

namespace json = boost::json;

Error model_error(const std::string& detail) {
  Error error{ErrorCode::invalid, detail};
  error.fields.push_back(FieldError{"/model", detail});
  return error;
}

// Of a line; more than the widest input has steps.
constexpr std::size_t kMaxTextBytes = 16 * 1024;

// What comes out of the box is looked at before it is believed. Throws std::exception.
ModelFindings findings_of(const json::object& outcome) {
  ModelFindings findings;
  findings.load_seconds = json::value_to<double>(outcome.at("load_seconds"));
  findings.run_seconds = json::value_to<double>(outcome.at("run_seconds"));
  for (const auto& value : outcome.at("objects").as_array()) {
    const auto label = json::value_to<std::string>(value.at("label"));
    const auto& box = value.at("box").as_array();
    bool sound = is_utf8(label) && box.size() == 4 &&
                 std::isfinite(value.at("confidence").to_number<double>());
    for (const auto& side : box) {
      sound = sound && std::isfinite(side.to_number<double>());
    }
    if (const auto* text = value.as_object().if_contains("text")) {
      const auto read = json::value_to<std::string>(*text);
      sound = sound && is_utf8(read) && read.size() <= kMaxTextBytes;
    }
    if (!sound) {
      throw std::runtime_error("an object that is none");
    }
    findings.objects.push_back(value);
  }
  return findings;
}

}  // namespace

TaskLimits trial_limits(const ModelTrial& trial) {
  return model_limits(trial.model_bytes, trial.picture_bytes);
}

asio::awaitable<Result<ModelFindings>> try_model(asio::any_io_executor executor, ModelTrial trial,
                                                 TaskLimits limits, SourceReader read) {
  const RunnerOptions options{{}, "cpu", 1, trial.model_bytes, true};
  RunnerProcess runner{std::move(executor), options};
  json::object task{{"op", "model"},
                    {"manifest", std::move(trial.manifest)},
                    {"model_bytes", trial.model_bytes},
                    {"picture_bytes", trial.picture_bytes},
                    {"confidence", trial.confidence}};
  FrameSink no_frames = [](RunnerFrame) -> asio::awaitable<void> { co_return; };
  try {
    const json::object outcome =
        co_await runner.run(std::move(task), limits, std::move(read), std::move(no_frames));
    try {
      co_return findings_of(outcome);
    } catch (const std::exception&) {
      throw RunnerCrashed("the runner's answer to a model's trial is none");
    }
  } catch (const TaskFailed& failure) {
    co_return model_error(failure.what());
  } catch (const RunnerNotStarted&) {
    throw;
  } catch (const RunnerOverLimit& error) {
    log::warn("a model was not tried: {}", error.what());
    co_return model_error(
        fmt::format("the model takes too much: {} when it was tried", error.what()));
  } catch (const RunnerCrashed& error) {
    log::warn("a model was not tried: {}", error.what());
    co_return model_error(fmt::format("the model broke what it was tried in: {}", error.what()));
  }
}

}  // namespace infernode::runner
