# Writes a CTest file with a test for each suite of a test binary:
#   cmake -DBINARY=... -DOUT=... -DPREFIX=integration. -DTIMEOUT=600 -DLABEL=integration -P
execute_process(COMMAND "${BINARY}" --gtest_list_tests OUTPUT_VARIABLE listed RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${BINARY} does not list its tests")
endif()
string(REPLACE "\n" ";" lines "${listed}")
set(text "")
foreach(line IN LISTS lines)
  # A suite stands at the beginning of its line and ends with a dot; its tests are indented. One with
  # parameters has its instance's name before it: Instance/Suite.
  if(line MATCHES "^(([A-Za-z0-9_]+/)?([A-Za-z0-9_]+))\\.")
    set(suite "${CMAKE_MATCH_1}")
    set(name "${CMAKE_MATCH_3}")
    string(APPEND text "add_test(\"${PREFIX}${name}\" \"${BINARY}\" --gtest_filter=${suite}.*)\n")
    set(properties "LABELS ${LABEL} TIMEOUT ${TIMEOUT}")
    # A thousand clients want the machine for themselves.
    if(suite STREQUAL "Crowd")
      string(APPEND properties " PROCESSORS 2")
    endif()
    # The longest begins early, so that it is not the last to end.
    if(suite STREQUAL "E2e")
      string(APPEND properties " COST 850")
    endif()
    string(APPEND text "set_tests_properties(\"${PREFIX}${name}\" PROPERTIES ${properties})\n")
  endif()
endforeach()
file(WRITE "${OUT}" "${text}")
