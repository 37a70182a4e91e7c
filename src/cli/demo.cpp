#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <thread>

#include "cli/commands.hpp"
#include "cli/progress.hpp"
#include "core/json.hpp"
#include "core/tokens.hpp"
#include "http/client.hpp"

// The main job as a client does it: over HTTP, against a server that is already running.
namespace infernode::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

struct DemoOptions {
  std::string video;
  std::string host = "127.0.0.1";
  std::uint16_t port = 3000;
  std::string email = "user1@example.com";
  std::string password = "password";
  std::string out = "out";
};

constexpr std::chrono::milliseconds kPollInterval{250};
constexpr std::chrono::minutes kPatience{30};

class Demo {
public:
  explicit Demo(const DemoOptions& options)
      : options_{options}, client_{options.host, options.port} {}

  // Throws std::runtime_error when anything is not as it should be.
  void run() {
    log_in();
    if (balance() < Tokens::from_thousandths(1000)) {
      register_new();  // demonstrations before this one have used the test user's tokens up
    }
    const Tokens before = balance();
    std::printf("logged in   %s, %s tokens\n", email_.c_str(), before.to_string().c_str());
    const std::string dataset = make_dataset();
    const json::value video = upload(dataset);
    const json::value job = detect(video);
    const json::value result = fetch(job);
    const Tokens after = balance();
    summarise(video, job, result, before, after);
  }

private:
  json::value call(const char* method, const std::string& path, const json::value& body = nullptr) {
    const auto answer =
        client_.request(method, "/api/v1" + path, body.is_null() ? std::string{} : json_text(body));
    return checked(answer, std::string{method} + " " + path);
  }

  static json::value checked(const http::ClientResponse& answer, const std::string& what) {
    if (answer.status >= 400) {
      throw std::runtime_error(fmt::format("{} answered {}: {}", what, answer.status, answer.body));
    }
    return json::parse(answer.body);
  }

  static std::string text(const json::value& value, const char* name) {
    return json::value_to<std::string>(value.at(name));
  }
  static Tokens tokens(const json::value& value, const char* name) {
    // The amount as the server wrote it.
    return Tokens::parse(json_text(value.at(name))).value();
  }

  void log_in() {
    const json::object credentials{{"email", options_.email}, {"password", options_.password}};
    const auto answer = client_.request("POST", "/api/v1/auth/login", json_text(credentials));
    email_ = options_.email;
    if (answer.status == 200) {
      client_.set_token(text(json::parse(answer.body), "token"));
      return;
    }
    // The test users may not have been seeded, or have another password by now.
    register_new();
  }

  void register_new() {
    email_ = fmt::format("demo-{}@example.com", std::time(nullptr));
    const json::object credentials{{"email", email_}, {"password", options_.password}};
    call("POST", "/auth/register", credentials);
    client_.set_token(text(call("POST", "/auth/login", credentials), "token"));
  }

  Tokens balance() { return tokens(call("GET", "/users/me"), "tokens"); }

  std::string make_dataset() {
    const json::object wanted{{"name", fmt::format("demo {}", std::time(nullptr))},
                              {"tags", json::array{"computer-vision", "demo"}}};
    const json::value dataset = call("POST", "/datasets", wanted);
    std::printf("dataset     %s (%s)\n", text(dataset, "name").c_str(),
                text(dataset, "id").c_str());
    return text(dataset, "id");
  }

  json::value upload(const std::string& dataset) {
    ProgressBar bar{"upload", static_cast<std::int64_t>(fs::file_size(options_.video))};
    const auto answer =
        client_.upload(fmt::format("/api/v1/datasets/{}/videos", dataset), options_.video, "", {},
                       [&](std::uint64_t sent) { bar.set(static_cast<std::int64_t>(sent)); });
    return checked(answer, "the upload");
  }

  json::value detect(const json::value& video) {
    const json::object request{{"video_ids", json::array{video.at("id")}},
                               {"params", json::object{{"pipeline", "detect"}}}};
    const json::value quote = call("POST", "/jobs/quote", request);
    std::fprintf(stderr, "quote: %s images for %s tokens\n", json_text(quote.at("images")).c_str(),
                 tokens(quote, "cost").to_string().c_str());
    const json::value accepted = call("POST", "/jobs", request);
    const std::string id = text(accepted.at("jobs").at(0), "id");
    ProgressBar bar{"detect", json::value_to<std::int64_t>(quote.at("images"))};
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < end) {
      json::value job = call("GET", "/jobs/" + id);
      bar.set(json::value_to<std::int64_t>(job.at("progress").at("done")));
      const std::string status = text(job, "status");
      if (status == "COMPLETED") {
        return job;
      }
      if (status == "FAILED" || status == "ABORTED") {
        throw std::runtime_error("the job ended as " + status + ": " + json_text(job));
      }
      std::this_thread::sleep_for(kPollInterval);
    }
    throw std::runtime_error("the job did not end in time");
  }

  json::value fetch(const json::value& job) {
    const std::string path = "/api/v1/jobs/" + text(job, "id");
    fs::create_directories(options_.out);
    const auto images = client_.download(path + "/images", zip_path());
    if (images.status != 200) {
      throw std::runtime_error("the images: " + images.body);
    }
    const auto result = client_.download(path + "/result", json_path());
    if (result.status != 200) {
      throw std::runtime_error("the result: " + result.body);
    }
    std::ifstream in{json_path()};
    const std::string document{std::istreambuf_iterator<char>{in}, {}};
    return json::parse(document);
  }

  fs::path zip_path() const { return fs::absolute(options_.out) / "images.zip"; }
  fs::path json_path() const { return fs::absolute(options_.out) / "result.json"; }

  void summarise(const json::value& video, const json::value& job, const json::value& result,
                 Tokens before, Tokens after) {
    const auto number = [](const json::value& value) { return json::value_to<double>(value); };
    const auto& accounting = result.at("accounting");
    std::printf(
        "\nframes      %s selected, %s processed, %s skipped, %s failed\n",
        json_text(accounting.at("selected")).c_str(), json_text(accounting.at("processed")).c_str(),
        json_text(accounting.at("skipped")).c_str(), json_text(accounting.at("failed")).c_str());
    std::printf("speed       %.1f images/s (%.1f s)\n",
                number(result.at("timing").at("images_per_second")),
                number(result.at("timing").at("seconds")));
    std::printf("objects     %s\n", json_text(result.at("summary").at("objects")).c_str());
    for (const auto& [label, count] : result.at("summary").at("labels").as_object()) {
      std::printf("  %-12s %s\n", std::string{label}.c_str(), json_text(count).c_str());
    }
    const Tokens uploaded =
        Tokens::from_thousandths(1) * json::value_to<std::int64_t>(video.at("frame_count"));
    std::printf("tokens      %s before, %s after: %s for the upload, %s for the job\n",
                before.to_string().c_str(), after.to_string().c_str(), uploaded.to_string().c_str(),
                tokens(job, "cost").to_string().c_str());
    const auto& energy = result.at("energy");
    std::printf("energy      %.1f J, %.4f g CO2e (%s; %g g/kWh, %s)\n", number(energy.at("joules")),
                number(energy.at("grams_co2e")), text(energy, "method").c_str(),
                number(energy.at("grid_g_per_kwh")), text(energy, "grid_source").c_str());
    std::printf("result      %s\nimages      %s\n", json_path().c_str(), zip_path().c_str());
    check(video, job, result, before, after, uploaded);
    std::printf("server      http://%s:%d\n", options_.host.c_str(), options_.port);
  }

  // The figures must add up; a demonstration that does not check them shows nothing.
  void check(const json::value& video, const json::value& job, const json::value& result,
             Tokens before, Tokens after, Tokens uploaded) {
    const auto integer = [](const json::value& value) {
      return json::value_to<std::int64_t>(value);
    };
    const auto& accounting = result.at("accounting");
    const auto processed = integer(accounting.at("processed"));
    const auto require = [](bool right, const char* what) {
      if (!right) {
        throw std::runtime_error(std::string{"the figures do not add up: "} + what);
      }
    };
    require(integer(accounting.at("selected")) ==
                processed + integer(accounting.at("skipped")) + integer(accounting.at("failed")),
            "selected frames");
    require(static_cast<std::int64_t>(result.at("frames").as_array().size()) == processed,
            "frames in the result");
    require(integer(video.at("frame_count")) == integer(accounting.at("selected")),
            "frames of the video");
    require(tokens(job, "cost") == Tokens::from_thousandths(2) * processed, "the job's cost");
    require(before - after == uploaded + tokens(job, "cost"), "tokens before and after");
    std::int64_t objects = 0;
    for (const auto& frame : result.at("frames").as_array()) {
      objects += static_cast<std::int64_t>(frame.at("objects").as_array().size());
    }
    require(objects == integer(result.at("summary").at("objects")), "objects by label");
    require(json::value_to<double>(result.at("energy").at("joules")) > 0, "energy");
    const json::value ledger = call("GET", "/users/me/transactions?limit=1");
    require(tokens(ledger.at("items").at(0), "balance_after") == after, "the ledger's balance");
  }

  const DemoOptions& options_;
  http::Client client_;
  std::string email_;
};

}  // namespace

void add_demo_command(CLI::App& app, int& status) {
  auto* command = add_command(
      app, "demo",
      "Do the whole job over HTTP against a running server: upload, detect, fetch, check");
  auto options = std::make_shared<DemoOptions>();
  command->add_option("VIDEO", options->video, "The video file")
      ->required()
      ->check(CLI::ExistingFile);
  command->add_option("--host", options->host, "The server's address")->capture_default_str();
  command->add_option("--port", options->port, "The server's port")->capture_default_str();
  command->add_option("--email", options->email, "Who to log in as")->capture_default_str();
  command->add_option("--password", options->password, "Their password")->capture_default_str();
  command->add_option("--out", options->out, "Folder for result.json and images.zip")
      ->capture_default_str();
  command->callback([&status, options] {
    Demo{*options}.run();
    status = 0;
  });
}

}  // namespace infernode::cli
