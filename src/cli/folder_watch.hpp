#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>

#include "http/outgoing.hpp"

namespace infernode::cli {

struct FolderWatchSettings {
  std::filesystem::path folder;  // absolute
  std::string dataset;           // its name; made if there is none
  boost::json::object params;    // of the jobs
  http::OutgoingUrl server;
  std::string key;  // an API key that may read, upload and jobs
  std::filesystem::path journal;
  std::chrono::seconds settle{5};  // a file is whole when it has not changed for so long
  bool once = false;               // ends when all that is there is done
};

// Uploads the videos of a folder, has them worked on, and puts their results beside them: over the
// API, so that it runs on any machine, and so that it can be ended anywhere: see WatchJournal. Goes
// on until `stopping` is set, as a signal's handler may do. True when nothing was refused, or left
// for want of tokens or room. Throws std::exception for a server that refuses the key or the
// dataset, and for a journal that cannot be written.
bool watch_folder(const FolderWatchSettings& settings, const volatile std::sig_atomic_t& stopping);

}  // namespace infernode::cli
