#include "testing/nginx.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "core/process.hpp"

namespace infernode::test {
namespace {

namespace fs = std::filesystem;
using boost::asio::ip::tcp;

std::string contents(const fs::path& file) {
  std::ifstream in{file};
  return {std::istreambuf_iterator<char>{in}, {}};
}

// The configuration in docs/operating.md.
std::string documented_configuration() {
  const std::string text = contents(INFERNODE_SOURCE_DIR "/docs/operating.md");
  const std::string begins = "```nginx\n";
  const auto at = text.find(begins);
  if (at == std::string::npos) {
    throw std::runtime_error("docs/operating.md shows no configuration of nginx");
  }
  const auto from = at + begins.size();
  return text.substr(from, text.find("```", from) - from);
}

void replace(std::string& text, const std::string& old, const std::string& now) {
  const auto at = text.find(old);
  if (at == std::string::npos) {
    throw std::runtime_error("the configuration of nginx has no " + old);
  }
  text.replace(at, old.size(), now);
}

std::uint16_t free_port() {
  boost::asio::io_context context;
  const tcp::acceptor acceptor{context, {boost::asio::ip::address_v4::loopback(), 0}};
  return acceptor.local_endpoint().port();
}

void run(const std::vector<std::string>& line) {
  const auto result = run_process(line);
  if (result.status != 0) {
    throw std::runtime_error(line.front() + ": " + result.output);
  }
}

}  // namespace

Nginx::Nginx(const TestServer& server) : port_{free_port()} {
  const std::string folder = folder_.path().string();
  const std::string certificate = folder + "/certificate.pem";
  const std::string key = folder + "/key.pem";
  run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
       "-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
       "-keyout", key, "-out", certificate});
  auto configuration = documented_configuration();
  replace(configuration, "listen 443", fmt::format("listen 127.0.0.1:{}", port_));
  replace(configuration, "server_name infernode.example.com", "server_name localhost");
  replace(configuration, "/etc/ssl/infernode.pem", certificate);
  replace(configuration, "/etc/ssl/infernode.key", key);
  replace(configuration, "127.0.0.1:3000", fmt::format("127.0.0.1:{}", server.port()));
  std::string places;
  for (const char* name : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
    places += fmt::format("  {}_temp_path {}/{};\n", name, folder, name);
  }
  std::ofstream{folder + "/nginx.conf"} << fmt::format(
      "daemon off;\nmaster_process off;\npid {0}/pid;\nerror_log {0}/log;\nevents {{}}\n"
      "http {{\n  access_log off;\n{1}{2}}}\n",
      folder, places, configuration);
  const std::string file = folder + "/nginx.conf";
  const std::string log = folder + "/log";
  child_ = fork();
  if (child_ == 0) {
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(out, 1);
    ::dup2(out, 2);
    ::execl(INFERNODE_NGINX, "nginx", "-c", file.c_str(), "-e", log.c_str(), nullptr);
    ::_exit(127);
  }
  wait_until("nginx to listen", [&] {
    if (waitpid(child_, nullptr, WNOHANG) == child_) {
      child_ = -1;
      throw std::runtime_error("nginx ended: " + contents(log));
    }
    boost::asio::io_context context;
    tcp::socket socket{context};
    boost::system::error_code error;
    socket.connect({boost::asio::ip::address_v4::loopback(), port_}, error);
    return !error;
  });
}

Nginx::~Nginx() {
  if (child_ != -1) {
    ::kill(child_, SIGTERM);
    waitpid(child_, nullptr, 0);
  }
}

std::string Nginx::curl(std::vector<std::string> arguments, const std::string& path) const {
  arguments.insert(arguments.begin(), {"curl", "-sS", "--noproxy", "*", "--cacert",
                                       (folder_.path() / "certificate.pem").string()});
  arguments.push_back(fmt::format("https://localhost:{}/api/v1{}", port_, path));
  const auto result = run_process(arguments);
  constexpr int kTimeIsOver = 28;  // of --max-time, for what has no end
  if (result.status != 0 && result.status != kTimeIsOver) {
    throw std::runtime_error(
        fmt::format("curl: {}; nginx: {}", result.output, contents(folder_.path() / "log")));
  }
  return result.output;
}

}  // namespace infernode::test
